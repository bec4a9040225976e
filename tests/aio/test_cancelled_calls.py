"""Messages of real calls that come just when nobody waits for them any more: none of them stays in memory."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import limedb
from tests.aio.cancelled_calls import CALLS, KINDS, SIZE
from tests.support.children import LIMIT

MAX_GROWN = CALLS * SIZE // 3
"""Bytes: half of them stayed, at least, where the task that read was cancelled."""
READERS_OF_THEIR_OWN = {"client/stream.py", "rpc/peer/stream.py"}
"""Their tasks only read, and are never cancelled."""


@pytest.mark.torture  # on a busy machine messages come too late to be lost, and it would prove nothing
@pytest.mark.process
@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_when_nobody_waits_any_more_is_freed(kind: str) -> None:
    command = [sys.executable, "-m", "tests.aio.cancelled_calls", kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MAX_GROWN


def _is_read(awaited: ast.expr) -> bool:
    is_named_read = isinstance(awaited, ast.Call) and getattr(awaited.func, "attr", "") == "read"
    return is_named_read and ast.unparse(awaited).endswith(("call.read()", "context.read()"))


def test_every_read_of_a_message_is_a_whole_one() -> None:
    package = Path(limedb.__file__).parent
    modules = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
    bare = {
        f"{name}:{node.lineno}"
        for name, text in modules.items()
        if name not in READERS_OF_THEIR_OWN and ".read(" in text  # to parse all would take seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Await) and _is_read(node.value)
    }
    assert bare == set()
