"""Process ids, and what is done to processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from limedb.errors import LaunchError
from limedb.launch.processes import Pid, end_all, spawn, wait_until

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def pid_of(process: "subprocess.Popen[bytes]") -> Pid:
    return Pid(process.pid, psutil.Process(process.pid).create_time())


@pytest.mark.process
def test_a_process_runs_stands_still_continues_and_dies(sleeper: "subprocess.Popen[bytes]") -> None:
    pid = pid_of(sleeper)
    assert pid.state == "running"
    pid.pause()
    assert pid.state == "paused"
    pid.resume()
    assert pid.state == "running"
    pid.kill()
    assert pid.state == "dead"


@pytest.mark.process
def test_a_process_that_got_the_id_later_is_never_signalled(sleeper: "subprocess.Popen[bytes]") -> None:
    earlier = Pid(sleeper.pid, pid_of(sleeper).started - 60)
    assert earlier.state == "dead"
    earlier.send(signal.SIGKILL)
    end_all([earlier], 1.0)
    assert sleeper.poll() is None


@pytest.mark.process
def test_a_paused_process_can_be_asked_to_end(sleeper: "subprocess.Popen[bytes]") -> None:
    pid = pid_of(sleeper)
    pid.pause()
    assert end_all([pid], 5.0) == []
    assert sleeper.wait(5) == -signal.SIGTERM


@pytest.mark.process
def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid = spawn([sys.executable, "-c", STUBBORN], os.environ, log)
    wait_until(lambda: log.read_text() == "up\n", 10, "it to start")
    assert end_all([pid], 0.1) == [pid]
    assert pid.state == "dead"


@pytest.mark.process
def test_a_process_has_a_session_of_its_own_and_adds_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    pid = spawn([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"], os.environ, log)
    wait_until(lambda: pid.state == "dead", 10, "it to end")
    assert log.read_text() == "before\nTrue\n"


def test_waiting_in_vain_ends() -> None:
    with pytest.raises(LaunchError, match=r"waited 0.05 s in vain for the moon"):
        wait_until(lambda: False, 0.05, "the moon")
