"""Settings of identities that make no sense together, before anything is served."""

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
