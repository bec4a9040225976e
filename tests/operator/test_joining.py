"""What a node's settings say before it asks for its certificate (limedb/operator/joining.py)."""

from pathlib import Path

import pytest

from limedb.config import load
from limedb.errors import ConfigError
from limedb.operator.joining import obtain

FILES = {"JOIN_TOKEN_FILE": "/nowhere/join.token", "TLS_CA": "/nowhere/ca.pem"}
FILES |= {"TLS_CERT": "/nowhere/node.pem", "TLS_KEY": "/nowhere/node.key"}


def test_a_node_that_the_rule_would_refuse_spends_no_token() -> None:
    beyond = {"NODE_URL": "http://192.0.2.7:8484", **FILES}
    with pytest.raises(ConfigError, match=r"AUTH=off: must be required, .*the join token was not used"):
        obtain(load(beyond))
    for allowed in ({"AUTH": "required"}, {"INSECURE": "true"}, {"NODE_URL": "http://127.0.0.1:8484"}):
        with pytest.raises(ConfigError, match=r"JOIN_TOKEN_FILE=/nowhere/join\.token"):
            obtain(load({**beyond, **allowed}))


def test_its_files_need_places() -> None:
    with pytest.raises(ConfigError, match="set together with TLS_CERT, TLS_KEY and TLS_CA"):
        obtain(load({"JOIN_TOKEN_FILE": "/nowhere/join.token"}))


def test_a_node_that_has_its_certificate_asks_nobody(tmp_path: Path) -> None:
    cert = tmp_path / "node.pem"
    cert.touch()
    obtain(load({**FILES, "NODE_URL": "http://192.0.2.7:8484", "TLS_CERT": str(cert)}))
