"""What clients do in a simulation, and what must hold of it afterwards.

It owns the invariants. A workload runs beside a nemesis, on its own random numbers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, TypeVar

from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from tests.cluster.virtual import START_MS
from tests.scenarios.history import History, Ledger, Outcome, outcome_of
from tests.simulation.nemesis import Nemesis
from tests.simulation.node import SimNode, Value
from tests.simulation.sim import Sim
from tests.support.linearizable import check_history

T = TypeVar("T")

CLIENT_TIMEOUT = 2.0  # seconds that a client waits for an answer
SKEW = 1.0  # seconds by which two clocks differ at most


async def use_registers(
    sim: Sim,
    history: History,
    *,
    level: Level = Level.LINEARIZABLE,
    clients: int = 8,
    keys: int = 2,
    seconds: float = 15.0,
    pause: float = 0.15,
) -> None:
    """Clients read, write and delete few keys through any node, one thing after another each."""
    end = now() + seconds

    async def run(client: int) -> None:
        rng = sim.rng(f"client {client}")
        count = 0
        while await wait_turn(rng, pause, end):
            count += 1
            node, key = rng.choice(list(sim.nodes.values())), f"r{rng.randrange(keys)}"
            kind = rng.random()
            if kind < 0.5:
                await history.read(str(client), key, partial(read, node, key, level))
            else:
                value = f"{client}.{count}" if kind < 0.9 else None
                await history.write(str(client), key, value, partial(write, node, key, value, level))

    await all_of(run(client) for client in range(clients))


async def wait_turn(rng: Random, pause: float, end: float) -> bool:
    """Wait for a client's next operation, `pause` seconds on average; False: it is over."""
    await asyncio.sleep(rng.expovariate(1 / pause))
    return now() < end


def check_linearizable(history: History) -> None:
    """AssertionError: a key's history has no order."""
    violations = check_history(history.ops)
    assert not violations, "\n".join(str(violation) for violation in violations)


async def write_unique(
    sim: Sim, ledger: Ledger, *, writers: int = 6, seconds: float = 20.0, pause: float = 0.2, name: str = "u"
) -> None:
    """Writers of keys of their own at QUORUM, through any node; every third key is deleted again."""
    end = now() + seconds

    async def run(writer: int) -> None:
        rng = sim.rng(f"writer {name} {writer}")
        i = 0
        while await wait_turn(rng, pause, end):
            i += 1
            key = f"{name}{writer}.{i}"
            await note(ledger, rng.choice(list(sim.nodes.values())), key, f"value of {key}")
            if i % 3 == 0:
                await note(ledger, rng.choice(list(sim.nodes.values())), key, None)

    await all_of(run(writer) for writer in range(writers))


async def write_again(
    sim: Sim, ledger: Ledger, *, writers: int = 5, seconds: float = 30.0, pause: float = 0.15
) -> None:
    """Writers that overwrite one key of their own, through any node; each reads it in between."""
    end = now() + seconds

    async def run(writer: int) -> None:
        rng, key, i = sim.rng(f"writer {writer}"), f"w{writer}", 0
        while await wait_turn(rng, pause, end):
            i += 1
            await note(ledger, rng.choice(list(sim.nodes.values())), key, f"{i}")
            with suppress(LimeDBError, ConnectionError, TimeoutError):
                found = await read(rng.choice(list(sim.nodes.values())), key, Level.QUORUM)
                assert not (complaint := ledger.complaint(key, found)), complaint

    await all_of(run(writer) for writer in range(writers))


async def read_all(sim: Sim, ledger: Ledger, *, readers: int = 3, seconds: float = 30.0) -> None:
    """Readers of the ledger's keys at all levels and through any node: what is told was once written, and
    where the level promises it, is there.
    """
    end = now() + seconds

    async def run(reader: int) -> None:
        rng = sim.rng(f"reader {reader}")
        while await wait_turn(rng, 0.2, end):
            if not ledger.keys:
                continue
            key, level = rng.choice(sorted(ledger.keys)), rng.choice([Level.ONE, Level.QUORUM, Level.ALL])
            with suppress(LimeDBError, ConnectionError, TimeoutError):
                found = await read(rng.choice(list(sim.nodes.values())), key, level)
                assert found is None or "rot" not in str(found), f"{key} at {level}: {found}"

    await all_of(run(reader) for reader in range(readers))


async def note(ledger: Ledger, node: SimNode, key: str, value: Value) -> None:
    """Write or delete a key at QUORUM, and note the outcome."""
    outcome = Outcome.UNKNOWN
    try:
        await write(node, key, value, Level.QUORUM)
        outcome = Outcome.DONE
    except Exception as error:
        outcome = outcome_of(error)
    finally:
        ledger.note(key, value, outcome)


async def check_kept(sim: Sim, ledger: Ledger, nodes: Iterable[SimNode] | None = None) -> None:
    """Every node reads at QUORUM what the ledger allows. AssertionError: what doesn't, or can't be read."""
    complaints: list[str] = []
    for node in nodes if nodes is not None else sim.up:
        for key in ledger.keys:
            found = await _again(node, f"read {key!r}", partial(read, node, key, Level.QUORUM))
            if complaint := ledger.complaint(key, found):
                complaints.append(f"read through {node.url}: {complaint}")
    assert not complaints, "\n".join([f"{len(complaints)} complaints:", *complaints[:20]])


async def write_expiring(sim: Sim, *, writers: int = 2, seconds: float = 60.0, pause: float = 2.0) -> None:
    """Writers of keys that expire, after a time or at a moment: each is there until then, and not after."""
    end = now() + seconds

    async def run(writer: int) -> None:
        rng, i = sim.rng(f"writer e {writer}"), 0
        while await wait_turn(rng, pause, end):
            i += 1
            key, ttl, begun = f"e{writer}.{i}", rng.uniform(2, 8), now()
            node, other = (rng.choice(list(sim.nodes.values())) for _ in range(2))
            moment = {"expires_at_ms": START_MS + int((begun + ttl) * 1000)}
            life = rng.choice([moment, {"ttl_ms": int(ttl * 1000)}])
            with suppress(LimeDBError, ConnectionError, TimeoutError):
                await write(node, key, "short", Level.QUORUM, **life)
                assert await read(other, key, Level.QUORUM) == "short" or now() > begun + ttl - SKEW
            await asyncio.sleep(max(0.0, begun + CLIENT_TIMEOUT + ttl + SKEW - now()))
            with suppress(LimeDBError, ConnectionError, TimeoutError):
                assert await read(other, key, Level.QUORUM) is None, f"{key} is there after its time"

    await all_of(run(writer) for writer in range(writers))


async def write_passed(sim: Sim, *, seconds: float = 60.0, pause: float = 2.0) -> list[str]:
    """Write keys, and again with a moment to expire that has passed; the keys whose second write was
    acknowledged. No replica may bring the first value back.
    """
    rng, end, passed = sim.rng("writer p"), now() + seconds, list[str]()
    while await wait_turn(rng, pause, end):
        key, node = f"p{len(passed)}.{int(now() * 1000)}", rng.choice(list(sim.nodes.values()))
        with suppress(LimeDBError, ConnectionError, TimeoutError):
            await write(node, key, "before", Level.QUORUM)
            moment = START_MS + int((now() - rng.choice([0.1, 60.0, 1e6])) * 1000)
            await write(node, key, "passed", Level.QUORUM, expires_at_ms=moment)
            passed.append(key)
    return passed


async def write_expired(sim: Sim, count: int = 8) -> list[str]:
    """Write keys with a time to live, and wait until each node has found them expired; the keys."""
    keys, nodes = [f"expired {i}" for i in range(count)], sim.up
    for i, key in enumerate(keys):
        await _again(nodes[i % len(nodes)], "write", partial(_write_short, nodes[i % len(nodes)], key, 2000))
    await asyncio.sleep(2 + SKEW)
    await check_expired(sim, keys)
    return keys


async def check_expired(sim: Sim, keys: Iterable[str]) -> None:
    """No node reads any of the keys at QUORUM. AssertionError: one is there."""
    for node in sim.up:
        for key in keys:
            found = await _again(node, f"read {key!r}", partial(read, node, key, Level.QUORUM))
            assert found is None, f"{key} is there again, read through {node.url}"


async def check_lives(sim: Sim, key: str, ttl: float) -> None:
    """A new key lives its time to live (s), and a sixth longer at most. AssertionError."""
    node, other = sim.up[0], sim.up[-1]
    await _again(node, "write", partial(_write_short, node, key, int(ttl * 1000)))
    begun = now()
    found = await _again(other, "read", partial(read, other, key, Level.QUORUM))
    assert found == "short" or now() > begun + ttl - SKEW
    await asyncio.sleep(ttl * 7 / 6 + SKEW)
    assert await _again(other, "read", partial(read, other, key, Level.QUORUM)) is None, (
        f"{key} is still there"
    )


async def _write_short(node: SimNode, key: str, ttl_ms: int) -> int:
    return await write(node, key, "short", Level.QUORUM, ttl_ms=ttl_ms)


async def check_writable(sim: Sim) -> None:
    """Every node takes writes, of any key. AssertionError: one refuses."""
    for node in sim.up:
        for i in range(10):
            await _again(node, "write", partial(write, node, f"last {i}", node.url, Level.QUORUM))


async def _again(node: SimNode, what: str, ask: Callable[[], Awaitable[T]], attempts: int = 5) -> T:
    """Ask where nothing is wrong any more: a late failure may need another attempt. AssertionError."""
    for attempt in range(attempts):
        try:
            return await ask()
        except Exception as error:
            if attempt == attempts - 1:
                raise AssertionError(f"{node.url} can't {what}: {error!r}") from error
            await asyncio.sleep(1.0)
    raise AssertionError("no attempt")


async def read(node: SimNode, key: str, level: Level) -> Value:
    """Read a key through a node, as a client."""
    deadline = node.clock.monotonic() + CLIENT_TIMEOUT
    return await node.ask(lambda program: program.read(key, level, deadline), CLIENT_TIMEOUT + 0.1)


async def write(node: SimNode, key: str, value: Value, level: Level, **life: int) -> int:
    """Write or delete (None) a key through a node, as a client; the version. life: ttl_ms or expires_at_ms;
    neither: it stays.
    """
    deadline, timeout = node.clock.monotonic() + CLIENT_TIMEOUT, CLIENT_TIMEOUT + 0.1
    return await node.ask(lambda program: program.write(key, value, level, deadline, **life), timeout)


async def beside(nemesis: Nemesis, work: Awaitable[None]) -> None:
    """Do the work while the nemesis runs; then mend."""
    task = asyncio.create_task(nemesis.run(), name="nemesis")
    try:
        await work
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        nemesis.mend()


async def wait_until(what: str, condition: Callable[[], bool], limit: float) -> None:
    """Wait for a condition. AssertionError: not within `limit` virtual seconds."""
    end = now() + limit
    while not condition():
        assert now() <= end, f"{what}: not within {limit} virtual seconds"
        await asyncio.sleep(0.1)


async def all_of(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for step in work:
            group.create_task(step)


def now() -> float:
    """The virtual time in seconds."""
    return asyncio.get_running_loop().time()
