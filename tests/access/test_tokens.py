"""Tokens, and the files of secrets. Tests limedb/access/root.py, too."""

from pathlib import Path

import pytest

from limedb.access.root import ROOT, RootToken
from limedb.access.tokens import (
    MIN_SECRET,
    digest_of,
    is_same,
    new_secret,
    new_token,
    read_secret,
    user_of,
    write_secret,
)
from limedb.errors import ConfigError
from limedb.ports import Credential


def test_a_token_names_its_user_and_no_two_are_equal() -> None:
    tokens = {new_token("alice") for _ in range(100)}
    assert len(tokens) == 100
    assert {user_of(token) for token in tokens} == {"alice"}
    assert min(map(len, tokens)) >= len("limedb_alice.") + 43


@pytest.mark.parametrize(
    "token", ["", "limedb_", "limedb_alice", "limedb_alice.", "limedb_.x", "alice.x", "limedb_a/b.x", "a.b.c"]
)
def test_other_texts_are_no_users_tokens(token: str) -> None:
    assert user_of(token) == ""


def test_digests_differ_with_any_character() -> None:
    token = new_token("a")
    assert is_same(digest_of(token), digest_of(token))
    assert not is_same(digest_of(token), digest_of(token + "x"))
    assert len(digest_of("\ud800")) == 32


def test_a_secret_is_written_for_its_owner_alone_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_secret(path, secret := new_secret())
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret("X", path) == secret
    with pytest.raises(FileExistsError):
        write_secret(path, new_secret())


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o620, 0o644, 0o601])
def test_a_secret_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    write_secret(path, secret := new_secret())
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as refused:
        read_secret("ROOT_TOKEN_FILE", path)
    assert secret not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * (MIN_SECRET - 1), b"two words" * 10, b"\xff" * 40])
def test_weak_secrets_are_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_secret("ROOT_TOKEN_FILE", path)
    assert "xxx" not in str(refused.value)
    assert "words" not in str(refused.value)


async def test_the_root_token_is_recognised_and_nothing_else() -> None:
    root = RootToken("r" * 40)
    assert await root.identity_of(Credential("r" * 40), 0) is ROOT
    assert await root.identity_of(Credential("r" * 39), 0) is None
    assert await root.identity_of(Credential(), 0) is None
