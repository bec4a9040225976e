"""`limedb context`, as a user runs it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from limedb.cli.app import cli
from tests.support.clusters import RunningCluster, limedb


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LIMEDB_TARGET", "LIMEDB_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def context(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["context", *arguments])


def test_contexts_are_added_listed_used_and_removed(home: Path) -> None:
    (home / "ca.pem").touch()
    assert context("add", "local", "--target", "localhost/").output == (
        "local stands for localhost:8484 and is in use\n"
    )
    done = context("add", "prod", "--target", "db1,db2:1", "--ca", os.path.relpath(home / "ca.pem"))
    assert done.output == "prod stands for db1:8484,db2:1; use it: limedb context use prod\n"
    assert context("list", "-o", "raw").output == "local\nprod\n"
    assert context("use", "prod").output == "prod is in use: db1:8484,db2:1\n"
    assert json.loads(context("show", "-o", "json").output) == {
        "name": "prod",
        "target": "db1:8484,db2:1",
        "ca": str(home / "ca.pem"),
        "cert": "",
        "key": "",
        "tokenFile": "",
        "used": True,
    }
    assert [line.split() for line in context("list").output.splitlines()] == [
        ["NAME", "TARGET"],
        ["local", "localhost:8484"],
        ["*", "prod", "db1:8484,db2:1"],
    ]
    assert context("remove", "prod").output == "prod is removed\n"
    assert context("show").exit_code == 2
    assert context("show", "local").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["use", "nowhere"], "must be one of these: there is none yet"),
        (["add", "a b", "--target", "x"], "a name of letters, digits"),
        (["add", "a", "--target", ":"], "is not a HOST:PORT"),
        (["add", "a", "--target", "x", "--cert", __file__], "certificate and key go together"),
        (["add", "a", "--target", "x", "--token-file", __file__], "a file with one token"),
        (["add", "a", "--target", "x", "--ca", "/nowhere"], "does not exist"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_stored(
    home: Path, arguments: list[str], message: str
) -> None:
    done = context(*arguments)
    assert (done.exit_code, message in done.output) == (2, True), done.output
    assert not (home / "limedb" / "contexts.json").exists()


def test_a_command_asks_the_cluster_of_its_context(cluster: RunningCluster) -> None:
    context("add", "here", "--target", f"{cluster.envoy_address},{cluster.nodes[0].address}")
    context("add", "gone", "--target", "127.0.0.1:1")
    assert limedb("set", "context/key", "found").stdout == "OK\n"
    assert limedb("get", "context/key", "--context", "here").stdout == "found\n"
    assert limedb("get", "context/key", "--context", "gone").returncode == 1
    assert limedb("get", "context/key", env={"LIMEDB_CONTEXT": "here"}).stdout == "found\n"
