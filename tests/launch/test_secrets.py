"""The secrets of a local cluster."""

from pathlib import Path

import pytest

from limedb.access.tokens import read_secret
from limedb.launch.records import Service
from limedb.launch.secrets import auth_settings


def node(**settings: str) -> Service:
    return Service("node1", "http://a:1", "a:1", (), settings, Path("log"))


def token_of(service: Service) -> object:
    return service.target.token


def test_they_are_made_once_and_settings_hold_only_their_names(tmp_path: Path) -> None:
    settings = auth_settings(tmp_path / "c")
    secrets = [read_secret(name, Path(settings[name])) for name in ("CLUSTER_SECRET_FILE", "ROOT_TOKEN_FILE")]
    assert len(set(secrets)) == 2
    assert not [secret for secret in secrets if secret in str(settings)]
    assert auth_settings(tmp_path / "c") == settings
    assert read_secret("ROOT_TOKEN_FILE", Path(settings["ROOT_TOKEN_FILE"])) == secrets[1]
    assert token_of(node(**settings)) == secrets[1]


def test_a_node_that_asks_nobody_gets_no_token(tmp_path: Path) -> None:
    settings = auth_settings(tmp_path)
    assert token_of(node()) is None
    assert token_of(node(**(settings | {"AUTH": "off"}))) is None


def test_without_the_root_token_that_of_the_environment_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEDB_TOKEN", "mine")
    assert token_of(node(AUTH="required")) == "mine"
    assert token_of(node(AUTH="required", ROOT_TOKEN_FILE="/nowhere")) == "mine"
    monkeypatch.delenv("LIMEDB_TOKEN")
    assert token_of(node(AUTH="required")) is None
