"""What others notice of a flood: their requests' times and failures, and the memory that nodes take.

It owns the measuring. It must never flood.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.children import child, join

TIMEOUT = 5.0
PAUSE = 0.02
SETTLE_SECONDS, LOOKS, STEADY_MIB = 60.0, 12, 1.0
"""How long memory may take to settle, and what that means: so many looks, a second apart, within so much."""
FLOOD_SECONDS = 900.0
"""How long a flood may last, its begin and what is measured beside it included."""


@dataclass
class Noticed:
    """times: of each request, in ms, failed ones included. failures: their texts."""

    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The time, in ms, that so many requests (0 to 1) took at most."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        many = f"{len(self.times)} requests, p50 {self.percentile(0.5):.0f} ms"
        failed = f", {len(self.failures)} failed ({self.failures[0]})" if self.failures else ""
        return f"{many}, p99 {self.percentile(0.99):.0f} ms{failed}"


class Other:
    """A client with manners: it sets a key, gets it, and gets ten in a batch, one after the other, until it
    is stopped. timeout: seconds of each request.
    """

    def __init__(self, address: str, timeout: float = TIMEOUT) -> None:
        self.noticed = Noticed()
        self._address, self._timeout, self._stopping = address, timeout, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> Noticed:
        """What it noticed."""
        self._stopping.set()
        join(self._thread)
        return self.noticed

    def _run(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, options) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            n = 0
            while not self._stopping.wait(PAUSE):
                n += 1
                keys = [f"other-{m % 100}" for m in range(n, n + 10)]
                self._time(stub.Set, kv_pb2.SetRequest(key=keys[0], value="v"))
                self._time(stub.Get, kv_pb2.GetRequest(key=keys[0]))
                self._time(stub.BatchGet, kv_pb2.BatchGetRequest(keys=keys))

    def _time(self, ask: Callable[..., object], request: object) -> None:
        begun = time.monotonic()
        try:
            ask(request, timeout=self._timeout)
        except grpc.RpcError as error:
            self.noticed.failures.append(f"{error.code().name}: {error.details()}")  # type: ignore[attr-defined]
        self.noticed.times.append(1000 * (time.monotonic() - begun))


class Memory:
    """The resident memory of processes, looked at until it is stopped. peak: MiB, of the largest."""

    def __init__(self, pids: list[int]) -> None:
        self._pids, self.peak = pids, 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def now(self) -> float:
        """MiB, of the largest."""
        return max(resident(pid) for pid in self._pids)

    def settled(self) -> float:
        """MiB, once they have been about the same for some seconds: a node returns freed memory by and by."""
        seen = [self.now()]
        end = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < end and (len(seen) < LOOKS or max(seen) - min(seen) > STEADY_MIB):
            time.sleep(1)  # what is measured is a course of time
            seen = [*seen[1 - LOOKS :], self.now()]
        return seen[-1]

    def stop(self) -> float:
        """The peak."""
        self._stopping.set()
        join(self._thread)
        return self.peak

    def _run(self) -> None:
        while not self._stopping.wait(0.05):
            self.peak = max(self.peak, self.now())


def resident(pid: int) -> float:
    """MiB that a process holds for itself: what it maps of files is the kernel's to take back."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon")) / 1024


@contextmanager
def flooding(name: str, address: str) -> Iterator[None]:
    """A flood, all of it on its way, for the time of the block."""
    command = [sys.executable, "-m", "tests.floods.attack", name, address]
    with child(command, stdout=subprocess.PIPE, limit=FLOOD_SECONDS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "flooding\n", f"the flood {name} did not begin"
        yield
