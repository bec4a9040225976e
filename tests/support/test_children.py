"""No test waits for ever for a child or a thread."""

import subprocess
import sys
import threading

import pytest

from tests.support.children import abort, child, join

pytestmark = pytest.mark.process

HANGS = ["sh", "-c", "echo seen; echo why >&2; exec sleep 600"]
PIPE = subprocess.PIPE


def lines_of(command: list[str], limit: float) -> list[str]:
    """All that a child prints; it must end with "done"."""
    with child(command, stdout=PIPE, stderr=PIPE, limit=limit) as process:
        assert process.stdout is not None
        lines = process.stdout.readlines()
        assert lines[-1] == "done\n"
    return lines


def test_whoever_reads_from_a_child_that_hangs_reads_to_its_end_and_learns_why() -> None:
    with pytest.raises(AssertionError, match="seen") as caught:
        lines_of(HANGS, limit=1.0)
    (note,) = caught.value.__notes__
    assert "was ended after 1 s" in note
    assert "why\n" in note


def test_a_child_that_is_ended_shows_where_it_stood() -> None:
    code = "import time; print('up', flush=True); time.sleep(600)"
    with child([sys.executable, "-c", code], stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "up\n"
        abort(process)
        assert 'File "<string>", line 1 in <module>' in process.stderr.read()


def test_a_child_that_is_waited_for_in_vain_fails_the_test_though_nothing_else_does() -> None:
    with (
        pytest.raises(AssertionError, match=r"was ended after 0.2 s"),
        child(HANGS, stdout=subprocess.DEVNULL, limit=0.2) as process,
    ):
        process.wait(60)


def test_a_child_ends_with_its_block() -> None:
    with child(HANGS, stdout=subprocess.DEVNULL) as process:
        assert process.poll() is None
    assert process.returncode == -9


def test_a_thread_that_does_not_end_is_named_with_the_place_where_it_stands() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(60,), name="a hanging one")
    thread.start()
    try:
        with pytest.raises(AssertionError, match=r"a hanging one has not ended within 0.05 s(.|\n)*in wait"):
            join(thread, 0.05)
    finally:
        over.set()
    join(thread)
