"""Settings of identities that make no sense together, before anything is served."""

import logging
from pathlib import Path

import pytest

from limedb.access.tokens import new_secret, write_secret
from limedb.config import load
from limedb.errors import ConfigError
from limedb.node.access import Access
from limedb.node.clock import SystemClock
from limedb.node.encryption import Encryption


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ROOT_TOKEN_FILE": "one"}, "another file than CLUSTER_SECRET_FILE"),
        ({"ROOT_TOKEN_FILE": "link"}, "another file than CLUSTER_SECRET_FILE"),
        ({"JWT_ISSUER": "https://issuer"}, "JWT_KEYS_FILE"),
        ({"JWT_AUDIENCE": "limedb"}, "JWT_KEYS_FILE"),
    ],
)
def test_they_are_refused(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    write_secret(tmp_path / "one", new_secret())
    (tmp_path / "link").symlink_to("one")
    files = {name: str(tmp_path / text) for name, text in settings.items() if name.endswith("_FILE")}
    config = load(
        {"AUTH": "required", "CLUSTER_SECRET_FILE": str(tmp_path / "one"), "DATA_DIR": str(tmp_path)}
        | settings
        | files
    )
    with pytest.raises(ConfigError, match=words):
        Access(config, SystemClock(), Encryption(config))


def test_where_nobody_can_make_the_first_user_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("secret", "root"):
        write_secret(tmp_path / name, new_secret())
    settings = {
        "AUTH": "required",
        "CLUSTER_SECRET_FILE": str(tmp_path / "secret"),
        "DATA_DIR": str(tmp_path),
    }
    for more, warnings in (({}, 1), ({"ROOT_TOKEN_FILE": str(tmp_path / "root")}, 0)):
        caplog.clear()
        config = load(settings | more)
        Access(config, SystemClock(), Encryption(config))
        warned = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
        assert len(warned) == warnings
        assert all("ROOT_TOKEN_FILE" in text for text in warned)
