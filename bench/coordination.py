"""Compare-and-set, transactions and a contended counter, beside etcd and Redis.

    python -m bench --coordination

64 callers, each one thing after another, in one process under uvloop: keys of their own for compare-and-set,
set and transaction; one key for the counter, whose value is compared with what was acknowledged. A caller's
share shows fairness: what the slowest did to what the fastest did.

Tested in tests/benchmarks/test_coordination.py.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import grpc
import uvloop

from bench.clients.coordinating import CAS, COUNT, SET, TXN, Act, of_etcd, of_limedb, of_redis
from bench.clients.redis_api import missing_library
from bench.processor import used_seconds
from bench.rounds import note
from bench.systems.etcd import Etcd
from bench.systems.limedb import LimeDB
from bench.systems.redis import Redis

CALLERS = 64
WARM_SECONDS = 0.5
HEAD = (
    "| what | system | /s | µs of processor time | p50 ms | p99 ms | slowest to fastest caller |\n|"
    + "---|" * 7
)


@dataclass
class Tally:
    """What callers did in one measurement. seconds: that each act took, by caller; used: of the system's
    processes.
    """

    took: float = 0.0
    used: float = 0.0
    seconds: list[list[float]] = field(default_factory=lambda: [[] for _ in range(CALLERS)])

    @property
    def done(self) -> int:
        """How often it was done."""
        return sum(map(len, self.seconds))

    @property
    def fairness(self) -> float:
        """What the slowest caller did to what the fastest did, 0 to 1."""
        counts = [*map(len, self.seconds)]
        return min(counts) / max(1, *counts)

    def percentile(self, place: int) -> float:
        """Milliseconds that so many hundredths of the acts took at most."""
        return 1000 * quantiles([each for one in self.seconds for each in one], n=100)[place - 1]


def row(what: str, system: str, tallies: Sequence[Tally]) -> str:
    """The line of the table: medians of rounds."""

    def of(figure: Callable[[Tally], float]) -> float:
        return median(map(figure, tallies))

    cells = (
        what,
        system,
        f"{of(lambda t: t.done / t.took):,.0f}",
        f"{of(lambda t: 1e6 * t.used / t.done):,.0f}",
        f"{of(lambda t: t.percentile(50)):.1f}",
        f"{of(lambda t: t.percentile(99)):.1f}",
        f"{of(lambda t: t.fairness):.2f}",
    )
    return "| " + " | ".join(cells) + " |"


async def measure(act: Act, seconds: float, pids: Sequence[int]) -> Tally:
    """Let callers act for some seconds, after a while that doesn't count."""
    tally = Tally()
    counts_from = time.perf_counter() + WARM_SECONDS
    end = counts_from + seconds

    async def call(number: int) -> None:
        while (began := time.perf_counter()) < end:
            await act(number)
            if began >= counts_from:
                tally.seconds[number].append(time.perf_counter() - began)

    async def watch() -> None:
        await asyncio.sleep(WARM_SECONDS)
        before = used_seconds(pids)
        await asyncio.sleep(seconds)
        tally.used = used_seconds(pids) - before

    await asyncio.gather(watch(), *map(call, range(CALLERS)))
    tally.took = seconds
    return tally


@asynccontextmanager
async def _acts(system: LimeDB | Etcd | Redis) -> AsyncIterator[Mapping[str, Act]]:
    if isinstance(system, Redis):
        import redis.asyncio

        host, _, port = system.address.partition(":")
        async with redis.asyncio.Redis(host=host, port=int(port), max_connections=CALLERS) as client:
            yield of_redis(client)
        return
    async with grpc.aio.insecure_channel(system.address) as channel:
        yield (of_limedb if isinstance(system, LimeDB) else of_etcd)(channel)


async def _measure_all(system: LimeDB | Etcd | Redis, seconds: float, into: dict[Any, list[Tally]]) -> None:
    async with _acts(system) as acts:
        for what, act in acts.items():
            into.setdefault((what, system.name), []).append(await measure(act, seconds, system.pids))


def table(rounds: int, seconds: float) -> str:
    """Return a table with a row for each act and system."""
    found: dict[tuple[str, str], list[Tally]] = {}
    for turn in range(rounds):
        with tempfile.TemporaryDirectory(dir="build", prefix="bench-") as name:
            folder = Path(name).resolve()
            systems = [LimeDB(folder / "l1", 1), LimeDB(folder / "l3", 3), Etcd(folder / "e1", 1)]
            for system in (*systems, Etcd(folder / "e3", 3), Redis(folder / "r")):
                if system.missing() or (isinstance(system, Redis) and missing_library()):
                    continue
                note(f"{system.name}, round {turn + 1} of {rounds}")
                system.start()
                try:
                    uvloop.run(_measure_all(system, seconds, found))
                finally:
                    system.stop()
    rows = [
        row(what, system, tallies)
        for wanted in (CAS, SET, TXN, COUNT)
        for (what, system), tallies in found.items()
        if what == wanted
    ]
    return "\n".join([HEAD, *rows])
