"""One process of a local cluster: how it is started, watched and signalled.

It owns the care for process ids: a signal goes only to the process that was started, never to a later one
with the same id. It must never know what the process is for.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from limedb.errors import LaunchError

POLL_SECONDS = 0.02
"""The time between two looks at a condition."""
STOP_SIGNAL_SECONDS = 5.0
"""How long the kernel may take to stop or kill a process after SIGSTOP or SIGKILL."""
_SAME_START_SECONDS = 1.0  # setting the clock moves the time of a process's start a little


@dataclass(frozen=True, slots=True)
class Pid:
    """A process id that can be recognised later. started: seconds since 1970."""

    number: int
    started: float

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs; None: it has exited, even if its parent has not noticed."""
        try:
            process = psutil.Process(self.number)
            same = abs(process.create_time() - self.started) < _SAME_START_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    @property
    def state(self) -> str:
        """The state: running, paused or dead."""
        process = self.find()
        if process is None:
            return "dead"
        return "paused" if _is_stopped(process) else "running"

    def send(self, number: signal.Signals) -> None:
        """Signal the process if it still runs."""
        if (process := self.find()) is not None:
            process.send_signal(number)

    def kill(self) -> None:
        """Kill it at once, and wait until it is gone."""
        self.send(signal.SIGKILL)
        wait_until(lambda: self.state == "dead", STOP_SIGNAL_SECONDS, f"process {self.number} to end")

    def pause(self) -> None:
        """Freeze it, and wait until all its threads stand still."""
        self.send(signal.SIGSTOP)
        wait_until(lambda: self.state != "running", STOP_SIGNAL_SECONDS, f"process {self.number} to stop")

    def resume(self) -> None:
        """Let it continue."""
        self.send(signal.SIGCONT)
        wait_until(lambda: self.state != "paused", STOP_SIGNAL_SECONDS, f"process {self.number} to continue")


def _is_stopped(process: psutil.Process) -> bool:
    """Return whether every thread stands still, not only the first."""
    try:
        return all(
            psutil.Process(thread.id).status() == psutil.STATUS_STOPPED for thread in process.threads()
        )
    except psutil.NoSuchProcess:
        return False


def spawn(argv: Sequence[str], environ: Mapping[str, str], log: Path) -> Pid:
    """Start a process in a session of its own, which Ctrl-C doesn't reach; append its output to log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    pid = Pid(process.pid, psutil.Process(process.pid).create_time())
    process.returncode = 0  # it outlives this command: Popen must not warn that it still runs
    return pid


def end_all(pids: Iterable[Pid], limit: float) -> list[Pid]:
    """Ask processes to stop, even paused ones; kill and return those that still run after `limit` seconds."""
    pids = list(pids)
    for pid in pids:
        pid.send(signal.SIGTERM)
        pid.send(signal.SIGCONT)
    try:
        wait_until(lambda: all(pid.state == "dead" for pid in pids), limit, "processes to end")
    except LaunchError:
        late = [pid for pid in pids if pid.state != "dead"]
        for pid in late:
            pid.kill()
        return late
    return []


def wait_until(condition: Callable[[], bool], limit: float, what: str) -> None:
    """Return as soon as the condition holds. LaunchError: it didn't within `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise LaunchError(f"waited {limit:g} s in vain for {what}")
        time.sleep(POLL_SECONDS)
