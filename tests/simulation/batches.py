"""Clients of a simulation that write batches of many large values and read them where memory is short.

It owns these clients and their laws: each item of a batch has an outcome of its own, which holds; what was
acknowledged is read at QUORUM; a replica that has more than it may answer is never taken for one that has
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from limedb.core.quorum import Level
from limedb.errors import KeyNotFoundError, LimeDBError, is_too_large
from tests.scenarios.history import Ledger, Outcome, outcome_of
from tests.simulation.node import SimNode, Value
from tests.simulation.sim import Sim
from tests.simulation.workloads import CLIENT_TIMEOUT, all_of, now, wait_turn

PORTION_BYTES = 100
"""Some items of those below."""
LARGEST = 60
KEYS = 20
"""Of a writer."""


@dataclass
class Tally:
    """What the clients met. cut: batches of which some items were acknowledged and others weren't. refused:
    reads of which a replica had more than it might answer.
    """

    batches: int = 0
    cut: int = 0
    reads: int = 0
    refused: int = 0


async def use_batches(
    sim: Sim, ledger: Ledger, tally: Tally, *, writers: int = 4, seconds: float = 20.0, pause: float = 0.4
) -> None:
    """Writers that overwrite and delete many keys of their own at once, through any node, and read them."""
    end = now() + seconds

    async def run(writer: int) -> None:
        rng, keys, i = sim.rng(f"batches {writer}"), [f"b{writer}.{n}" for n in range(KEYS)], 0
        nodes = list(sim.nodes.values())
        while await wait_turn(rng, pause, end):
            i += 1
            items = [(key, _value(rng, f"{key} {i}")) for key in rng.sample(keys, rng.randint(2, KEYS))]
            await _write(rng.choice(nodes), items, rng.choice(list(Level)[1:]), ledger, tally)
            known = [key for key in keys if key in ledger.keys]
            chosen = rng.sample(known, rng.randint(1, len(known)))
            await _read(rng.choice(nodes), chosen, rng.choice([1, LARGEST, 5 * LARGEST]), ledger, tally)

    await all_of(run(writer) for writer in range(writers))


def _value(rng: Random, name: str) -> Value:
    return None if rng.random() < 0.1 else name.ljust(rng.randint(10, LARGEST), ".")


async def _write(
    node: SimNode, items: Sequence[tuple[str, Value]], level: Level, ledger: Ledger, tally: Tally
) -> None:
    outcomes = [Outcome.UNKNOWN] * len(items)
    try:
        deadline = node.clock.monotonic() + CLIENT_TIMEOUT
        told: list[object] = await node.ask(
            lambda p: p.write_many(items, level, deadline), CLIENT_TIMEOUT + 0.1
        )
        outcomes = [outcome_of(o) if isinstance(o, LimeDBError) else Outcome.DONE for o in told]
    except Exception as error:
        outcomes = [outcome_of(error)] * len(items)
    finally:
        tally.batches += 1
        tally.cut += Outcome.DONE in outcomes and set(outcomes) != {Outcome.DONE}
        for (key, value), outcome in zip(items, outcomes, strict=True):
            ledger.note(key, value, outcome)


async def _read(node: SimNode, keys: Sequence[str], most: int, ledger: Ledger, tally: Tally) -> None:
    """Read as a node does that has no room for a large answer: with a bound first, without one where that is
    too little. AssertionError: what was read was not written.
    """
    deadline = node.clock.monotonic() + CLIENT_TIMEOUT
    for bound in most, None:
        try:
            told = await node.ask(
                lambda p, bound=bound: p.read_many(keys, Level.QUORUM, deadline, bound),  # type: ignore[misc]
                CLIENT_TIMEOUT + 0.1,
            )
        except LimeDBError as error:
            if not is_too_large(error):
                return
            tally.refused += 1  # the node itself has more
            continue
        except (ConnectionError, TimeoutError):
            return
        _check(keys, told, ledger)
        tally.reads += 1
        if not any(isinstance(found, LimeDBError) and is_too_large(found) for found in told):
            return
        tally.refused += 1


def _check(keys: Sequence[str], told: Sequence[object], ledger: Ledger) -> None:
    for key, found in zip(keys, told, strict=True):
        if isinstance(found, KeyNotFoundError) or not isinstance(found, LimeDBError):
            value = None if isinstance(found, KeyNotFoundError) else found.value
            assert not (complaint := ledger.complaint(key, value)), complaint
