"""An open loop: calls that come at a fixed rate, however slowly they are answered, as many clients do.

    python -m bench.open_loop '{"addresses": [...], "method": ..., "message": HEX, "rate": 1000, ...}'

A process of its own, so that it has a processor of its own where there is one; it prints a `Tally` as JSON.
With a rate of 0 the loop is closed: `inflight` calls at a time, each followed by the next. That measures what
a node carries.

Tested in tests/benchmarks/test_overload.py.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import cycle

from bench.http2 import CANCEL, DATA, END_STREAM, RST_STREAM, Connection, Unary, frame

STREAMS = 100
"""Calls on a connection at a time: half of what a node allows."""
PRIORITY = -10
"""How much the generator's need of a processor comes before others'."""
LOOK_SECONDS = 0.05
"""How often calls are looked for whose time has run out."""


@dataclass(frozen=True)
class Load:
    """What is sent. addresses: host:port. message: in hexadecimal digits. rate: calls a second; 0: `inflight`
    calls at a time. timeout: seconds of each call.
    """

    addresses: list[str]
    method: str
    message: str
    rate: float
    seconds: float
    timeout: float = 1.0
    connections: int = 32
    inflight: int = 64


@dataclass
class Tally:
    """What became of the calls that were due: each is in one of these. millis: of the answered ones, from
    the moment at which they were due. late: neither answered nor refused in time. unsent: found no room on
    any connection in time. lost: their connection ended.
    """

    answered: int = 0
    refused: int = 0
    late: int = 0
    unsent: int = 0
    lost: int = 0
    millis: list[float] = field(default_factory=list)

    @property
    def due(self) -> int:
        """How many calls there were."""
        return self.answered + self.refused + self.late + self.unsent + self.lost

    def percentile(self, share: float) -> float:
        """The milliseconds that so many of the answered calls (0 to 1) took at most."""
        ordered = sorted(self.millis)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class _Call:
    __slots__ = ("due", "has_data")

    def __init__(self, due: float) -> None:
        self.due, self.has_data = due, False


class Loop:
    """Sends one load."""

    def __init__(self, load: Load) -> None:
        self._load, self._tally = load, Tally()
        self._unary = Unary(load.method, bytes.fromhex(load.message))
        self._selector = selectors.DefaultSelector()
        addresses = cycle(load.addresses)
        self._calls: dict[Connection, dict[int, _Call]] = {}
        for _ in range(load.connections):
            host, _, port = next(addresses).rpartition(":")
            connection = Connection(host, int(port))
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._calls[connection] = {}
        self._turn = deque(self._calls)
        self._waiting: deque[float] = deque()

    def run(self) -> Tally:
        """Send for the load's seconds, then wait for what is on its way."""
        load = self._load
        begun = now = time.monotonic()
        sent, looked, end = 0, now, begun + load.seconds
        while now < end + load.timeout + 2 * LOOK_SECONDS:
            wanted = self._wanted(min(now, end) - begun) if now < end or load.rate else sent
            while sent < wanted:
                self._waiting.append(begun + sent / load.rate if load.rate else now)
                sent += 1
            if now >= end and not self._on_way and not self._waiting:
                break
            self._send(now)
            for key, _ in self._selector.select(0.001):
                self._receive(key.data, time.monotonic())
            now = time.monotonic()
            if now - looked > LOOK_SECONDS:
                looked = now
                self._give_up(now)
        self._give_up(now + load.timeout)
        return self._tally

    def _wanted(self, seconds: float) -> int:
        """How many calls should have been sent by then."""
        return round(seconds * self._load.rate) if self._load.rate else self._done + self._load.inflight

    @property
    def _on_way(self) -> int:
        return sum(map(len, self._calls.values()))

    @property
    def _done(self) -> int:
        return self._tally.due

    def _send(self, now: float) -> None:
        load, full = self._load, 0
        while self._waiting and full < len(self._turn):
            connection = self._turn[0]
            self._turn.rotate(-1)
            calls = self._calls[connection]
            if len(calls) >= STREAMS or connection.is_closed:
                full += 1
                continue
            full = 0
            due = self._waiting.popleft()
            left = load.timeout - (now - due)
            if left <= 0.001:
                self._tally.unsent += 1
                continue
            stream = connection.next_stream
            connection.next_stream += 2
            connection.out += self._unary.frames(stream, int(1000 * left))
            calls[stream] = _Call(due)
        for connection in self._turn:
            connection.flush()

    def _receive(self, connection: Connection, now: float) -> None:
        calls = self._calls[connection]
        for kind, flags, stream in connection.events():
            call = calls.get(stream)
            if call is None:
                continue
            call.has_data = call.has_data or kind == DATA
            if flags & END_STREAM or kind == RST_STREAM:
                del calls[stream]
                self._count(call, now)
        if connection.is_closed:
            self._selector.unregister(connection.socket)
            connection.socket.close()
            self._tally.lost += len(calls)
            calls.clear()

    def _count(self, call: _Call, now: float) -> None:
        if now - call.due > self._load.timeout:
            self._tally.late += 1
        elif call.has_data:
            self._tally.answered += 1
            self._tally.millis.append(1000 * (now - call.due))
        else:
            self._tally.refused += 1

    def _give_up(self, now: float) -> None:
        """Give up the calls whose time has run out, as clients do."""
        while self._waiting and now - self._waiting[0] > self._load.timeout:
            self._waiting.popleft()
            self._tally.unsent += 1
        for connection, calls in self._calls.items():
            for stream in [s for s, call in calls.items() if now - call.due > self._load.timeout]:
                del calls[stream]
                self._tally.late += 1
                connection.out += frame(RST_STREAM, 0, stream, CANCEL)


def send(load: Load) -> Tally:
    """Send a load from another process."""
    command = [sys.executable, "-m", "bench.open_loop", json.dumps(asdict(load))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=load.seconds + 120)
    if done.returncode:
        raise SystemExit(f"the open loop failed:\n{done.stderr}")
    return Tally(**json.loads(done.stdout))


if __name__ == "__main__":
    with suppress(OSError):  # only root may; else a busy machine delays the clock that measures it
        os.nice(PRIORITY)
    print(json.dumps(asdict(Loop(Load(**json.loads(sys.argv[1]))).run())))
