"""docs/security.md: its commands, and what it says of the settings."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from limedb.cli.app import cli
from limedb.config import SETTINGS
from limedb.tls.names import node_name

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("heading", "count", "more"),
    [
        ("A safe cluster on a network", 2, ()),
        ("Certificates, one by one", 3, ()),
        ("Clients", 5, ("limedb certs renew certs/node1-8484.pem",)),
        ("A stolen certificate", 6, ()),
        pytest.param("Renewing", 7, (), marks=pytest.mark.process),
    ],
)
def test_its_commands_work_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heading: str, count: int, more: tuple[str, ...]
) -> None:
    """Those that make files; a cluster is not there."""
    monkeypatch.chdir(tmp_path)
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    first = "Certificates, one by one"
    names = [first, heading] if heading in ("Clients", "A stolen certificate", "Renewing") else [heading]
    blocks = [
        block
        for name in names
        for block in re.findall(r"^```\n(.*?)^```", sections[name], re.MULTILINE | re.DOTALL)
    ]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    commands = [line for line in lines if re.match("limedb (certs|envoy-config) |cp |cat ", line)]
    assert len(commands) == count
    for line in [each.replace("node3", "node1") for each in (*commands, *more)]:
        if not line.startswith("limedb"):
            subprocess.run(line, shell=True, check=True)
            continue
        done = CliRunner().invoke(cli, shlex.split(line.partition(" >")[0])[1:])
        assert done.exit_code == 0, (line, done.output)


def test_its_settings_are_all_that_there_are() -> None:
    ours = {each.name: each for each in SETTINGS if re.search("TLS|PEER_PORT|JOIN", each.name)}
    rows = re.findall(r"^\| (`[A-Z].*?) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall("`(.*?)`", row)}
    assert named == ours.keys()
    assert f"| `PEER_PORT_OFFSET` | {ours['PEER_PORT_OFFSET'].default} |" in PAGE


def test_the_name_of_a_node_is_the_one_that_it_shows() -> None:
    assert f"{node_name('http://node1:8484')}\n" in BLOCKS
