"""docs/security.md: its commands, and what it says of the settings."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from limedb.cli.app import cli
from limedb.config import SETTINGS
from limedb.tls.names import node_name

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_its_commands_work_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "".join(BLOCKS).replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("limedb ")]
    assert len(commands) == 5
    for line in [*commands, "limedb certs renew certs/node1-8484.pem"]:
        done = CliRunner().invoke(cli, shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.output)


def test_its_settings_are_all_that_there_are() -> None:
    ours = {each.name: each for each in SETTINGS if "TLS" in each.name or "PEER_PORT" in each.name}
    rows = re.findall(r"^\| (`[A-Z].*?) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall("`(.*?)`", row)}
    assert named == ours.keys()
    assert f"| `PEER_PORT_OFFSET` | {ours['PEER_PORT_OFFSET'].default} |" in PAGE


def test_the_name_of_a_node_is_the_one_that_it_shows() -> None:
    assert f"{node_name('http://node1:8484')}\n" in BLOCKS
