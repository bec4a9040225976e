"""Clients that send a write again, through other nodes, until they are told that it is done.

It owns the workload: all attempts of a write are one operation of the history.
"""

import asyncio
from functools import partial
from random import Random

from limedb.core.quorum import Level
from limedb.replication.coordinator import Write, Written
from tests.cluster.virtual import START_MS
from tests.scenarios.history import History, Outcome, outcome_of
from tests.simulation.node import SimNode, Value
from tests.simulation.sim import Sim
from tests.simulation.workloads import now, read

PATIENCE = (0.02, 0.2, 1.0)
"""Seconds after which a client gives up an attempt: mostly before it is over."""
LIMIT = 10.0


class UnfinishedError(Exception):
    """A client has given up; what it wrote may be there or not."""


async def use_registers_again(
    sim: Sim, history: History, *, anew: bool = False, clients: int = 6, seconds: float = 15.0
) -> None:
    """Clients read and write two keys at LINEARIZABLE. anew: a planted fault, an attempt is another write."""
    end = now() + seconds

    async def run(client: int) -> None:
        rng = sim.rng(f"client {client}")
        count = 0
        while now() < end:
            await asyncio.sleep(rng.expovariate(1 / 0.15))
            count += 1
            key = f"r{rng.randrange(2)}"
            if rng.random() < 0.5:
                node = rng.choice(list(sim.nodes.values()))
                await history.read(str(client), key, partial(read, node, key, Level.LINEARIZABLE))
            else:
                value = f"{client}.{count}" if rng.random() < 0.9 else None
                work = partial(write_until_done, sim, rng, key, value, anew=anew)
                await history.write(str(client), key, value, work)

    async with asyncio.TaskGroup() as group:
        for client in range(clients):
            group.create_task(run(client))


async def write_until_done(sim: Sim, rng: Random, key: str, value: Value, *, anew: bool) -> Written:
    """Write a key, in as many attempts as it takes. UnfinishedError; an error of the first one that says that
    nothing was written.
    """
    began = START_MS + int(now() * 1000) + rng.randint(-50, 50)
    idempotency_key = began.to_bytes(6, "big") + rng.randbytes(10)
    end, attempt = now() + LIMIT, 0
    content, moment = _as_given(rng, value)
    while now() < end:
        node = rng.choice(list(sim.nodes.values()))
        write = Write(key, value) if anew else Write(key, content, 0, idempotency_key, attempt, moment)
        try:
            return await _attempt(node, write, rng.choice(PATIENCE))
        except Exception as error:
            if not attempt and outcome_of(error) is Outcome.FAILED:
                raise
        attempt += 1
        await asyncio.sleep(rng.expovariate(1 / 0.05))
    raise UnfinishedError


def _as_given(rng: Random, value: Value) -> tuple[Value, int]:
    """A write's content and moment to expire, for a value: it may be deleted by a moment that has passed."""
    if rng.random() < 0.5:
        return value, 0
    now_ms = START_MS + int(now() * 1000)
    return ("expired", now_ms - 1000) if value is None else (value, now_ms + 3_600_000)


async def _attempt(node: SimNode, write: Write, patience: float) -> Written:
    """The client may be gone long before the node gives up."""
    deadline = node.clock.monotonic() + 2.0
    return await node.ask(
        lambda program: program.engine.coordinator.write(write, Level.LINEARIZABLE, deadline), patience
    )
