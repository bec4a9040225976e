"""The line of grpcio that we pin, and its fastest switch: docs/decisions/0014-grpcio-line.md."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from limedb.aio.grpc_poller import ONE_THREAD, choose_poller
from tests.support.served import served
from tests.support.waiting import wait_for

EPOLL_WAITS = {"22", "232", "281", "441"}
"""The numbers of epoll_wait and its kin on x86-64 and arm64 (man 2 syscalls)."""
TASKS = 3.0
"""What a call takes with the pinned line: the client's, and two of the server's."""


def waiting_in_epoll(pid: int) -> set[str]:
    """The names of the threads that wait for the network, now."""
    return {
        (task / "comm").read_text().strip()
        for task in Path(f"/proc/{pid}/task").iterdir()
        if (task / "syscall").read_text().split()[0] in EPOLL_WAITS
    }


def tasks_a_call(*folders: Path) -> float:
    """With the grpcio in those folders, else with ours."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(str(folder) for folder in folders)}
    program = Path(__file__).with_name("accepted_calls.py")
    done = subprocess.run(
        [sys.executable, program], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    return float(done.stdout)


@pytest.mark.cluster
@pytest.mark.parametrize(("experiments", "is_ours"), [(None, False), ("-keepalive_fix", True)])
def test_a_nodes_own_thread_waits_for_the_network_unless_the_operator_chose(
    tmp_path: Path, experiments: str | None, is_ours: bool
) -> None:
    env = {} if experiments is None else {"GRPC_EXPERIMENTS": experiments}
    with served(tmp_path, env=env) as node:
        awaited = {"event_engine"} if is_ours else {"python", "limedb"}
        wait_for("the thread to wait", lambda: waiting_in_epoll(node.process.pid) & awaited)
        if not is_ours:
            assert "event_engine" not in waiting_in_epoll(node.process.pid)


def test_an_operators_choice_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRPC_EXPERIMENTS", "-something")
    choose_poller()
    assert os.environ["GRPC_EXPERIMENTS"] == "-something"


@pytest.mark.parametrize(
    ("version", "chosen"), [("1.80.0", ONE_THREAD), ("1.83.2", ONE_THREAD), ("1.84.0", None), ("2.0.0", None)]
)
def test_only_lines_that_have_the_switch_get_it(
    monkeypatch: pytest.MonkeyPatch, version: str, chosen: str | None
) -> None:
    monkeypatch.delenv("GRPC_EXPERIMENTS", raising=False)
    monkeypatch.setattr(metadata, "version", {"grpcio": version}.__getitem__)
    choose_poller()
    assert os.environ.get("GRPC_EXPERIMENTS") == chosen


SHOWN_WHEN_GRPC_IS_LOADED = """
import os, sys
def show(event, args):
    if event == "import" and args[0] == "grpc":
        print(os.environ.get("GRPC_EXPERIMENTS"))
sys.addaudithook(show)
import limedb.client
"""


@pytest.mark.process
@pytest.mark.parametrize(("given", "chosen"), [(None, ONE_THREAD), ("-something", "-something")])
def test_the_client_library_chooses_before_grpc_is_loaded(given: str | None, chosen: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "GRPC_EXPERIMENTS"}
    env |= {} if given is None else {"GRPC_EXPERIMENTS": given}
    command = [sys.executable, "-c", SHOWN_WHEN_GRPC_IS_LOADED]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == chosen


@pytest.mark.process
def test_a_call_takes_few_tasks_with_the_pinned_line() -> None:
    assert tasks_a_call() == TASKS


@pytest.mark.process
def test_the_newest_grpcio_still_makes_a_task_more_for_each_call(tmp_path: Path) -> None:
    """A reminder: when this fails, grpc/grpc#43461 is mended. Measure (`make bench BENCH=--grpcio`), and move
    the pin in requirements.pins.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", tmp_path, "grpcio"], check=True, timeout=240)
    assert tasks_a_call(tmp_path) > TASKS
