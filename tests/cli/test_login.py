"""`limedb login` and `logout`: a token is tried before it is stored, and stored for its target alone.

Tests limedb/cli/login.py.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from limedb.access.tokens import new_secret, write_secret
from tests.support.ports import free_ports
from tests.support.serving import running_node

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a node that asks for tokens, and the file of its root token."""
    folder = tmp_path_factory.mktemp("login")
    for name in ("root", "cluster"):
        write_secret(folder / name, new_secret())
    settings = {
        "AUTH": "required",
        "CLUSTER_SECRET_FILE": str(folder / "cluster"),
        "ROOT_TOKEN_FILE": str(folder / "root"),
    }
    with free_ports(1) as (port,), running_node(folder / "node", port, settings) as address:
        yield address, folder / "root"


def run(home: Path, *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LIMEDB_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-m", "limedb", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=env | {"HOME": str(home)},
    )


def test_commands_show_the_token_until_logout(node: tuple[str, Path], tmp_path: Path) -> None:
    address, root = node
    token = root.read_text()
    at = ("--target", address)
    assert "needs a token" in run(tmp_path, "set", "a", "1", *at).stderr
    done = run(tmp_path, "login", *at, text=token)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("root (admin operator); the token for ")
    assert token.strip() not in done.stdout + done.stderr
    assert run(tmp_path, "set", "a", "1", *at).stdout == "OK\n"
    assert run(tmp_path, "whoami", "-o", "raw", *at).stdout == "root\n"
    assert run(tmp_path, "keys", *at).stdout == "a\n"
    assert run(tmp_path, "logout", *at).returncode == 0
    assert "needs a token" in run(tmp_path, "get", "a", *at).stderr
    assert json.loads((tmp_path / ".config/limedb/tokens.json").read_text()) == {}


@pytest.mark.parametrize("text", ["", "wrong\n", "two words\n", "ü\n"])
def test_a_wrong_token_is_not_stored(node: tuple[str, Path], tmp_path: Path, text: str) -> None:
    done = run(tmp_path, "login", "--target", node[0], text=text)
    assert done.returncode != 0
    assert not (tmp_path / ".config").exists()


def test_health_needs_no_token(node: tuple[str, Path], tmp_path: Path) -> None:
    assert run(tmp_path, "health", "--target", node[0]).returncode == 0


def test_logout_mends_a_damaged_file(node: tuple[str, Path], tmp_path: Path) -> None:
    address, root = node
    assert run(tmp_path, "login", "--target", address, text=root.read_text()).returncode == 0
    path = tmp_path / ".config" / "limedb" / "tokens.json"
    path.write_text('{"half')
    assert "`limedb logout` removes it" in run(tmp_path, "set", "a", "1", "--target", address).stderr
    done = run(tmp_path, "logout", "--target", address)
    assert done.returncode == 0, done.stderr
    assert "was damaged" in done.stderr
    assert "needs a token" in run(tmp_path, "set", "a", "1", "--target", address).stderr
