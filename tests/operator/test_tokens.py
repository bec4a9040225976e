"""Where a person's token is looked for."""

from pathlib import Path

import pytest

from limedb.errors import ConfigError
from limedb.operator.tokens import forget_all, is_damaged, store, stored, stored_at, token_for
from limedb.tls.target import Target


def test_a_file_comes_before_the_environment_and_that_before_what_is_stored(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert token_for("a:1", None, environ) is None
    path = store("a:1", "stored", environ)
    assert path == tmp_path / "xdg" / "limedb" / "tokens.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert token_for("a:1", None, environ) == "stored"
    assert token_for("b:1", None, environ) is None
    named = environ | {"LIMEDB_TOKEN": "named\n"}
    assert token_for("b:1", None, named) == token_for("a:1", None, named) == "named"
    (tmp_path / "file").write_text("of-file\n")
    assert token_for("a:1", tmp_path / "file", named) == "of-file"


def test_tokens_are_stored_by_address_and_forgotten(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert stored_at(environ) == tmp_path / ".config/limedb/tokens.json"
    store("a:1", "one", environ)
    store("b:1", "two", environ)
    store("a:1", None, environ)
    store("c:1", None, environ)
    assert stored(environ) == {"b:1": "two"}
    assert [file.name for file in stored_at(environ).parent.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize(
    ("content", "mode"), [("{}", 0o644), ("{}", 0o640), ("[]", 0o600), ("secret", 0o600)]
)
def test_a_store_that_others_read_or_that_is_none_is_refused(tmp_path: Path, content: str, mode: int) -> None:
    environ = {"HOME": str(tmp_path)}
    path = stored_at(environ)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        token_for("a:1", None, environ)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "two words"])
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(ConfigError, match="--token-file"):
        token_for("a:1", tmp_path / "file", {})
    with pytest.raises(ConfigError, match="No such file"):
        token_for("a:1", tmp_path / "none", {})


def test_a_target_keeps_its_token_and_does_not_show_it() -> None:
    target = Target("a:1", token="secret")
    assert "secret" not in f"{target} {target!r}"
    assert target.at("b:1").token == target.files["token"] == "secret"


@pytest.mark.parametrize("content", ["{half", "[1]", "\udcff", "[" * 100_000])
def test_a_damaged_file_is_known_and_can_be_removed(tmp_path: Path, content: str) -> None:
    environ = {"HOME": str(tmp_path)}
    assert not is_damaged(environ)
    path = store("a:1", "one", environ)
    assert not is_damaged(environ)
    path.write_text(content, errors="surrogateescape")
    assert is_damaged(environ)
    with pytest.raises(ConfigError, match="`limedb logout` removes it"):
        store("b:1", "two", environ)
    assert forget_all(environ) == path
    store("b:1", "two", environ)
    assert stored(environ) == {"b:1": "two"}
