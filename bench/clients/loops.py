"""The loop for every client: callers that call, check the answer, and call again.

It runs under uvloop in the benchmark's own process, beside the servers on the same cores.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from itertools import cycle

import uvloop

from bench.clients import Client, Opener
from bench.processor import warm_up_seconds

_PREPARED = 512  # random choices made before the clock runs
_FILL = 1000  # keys under way at once while filling
_TURN = 100  # keys a request while filling: a Txn of etcd has at most 128


class WrongAnswer(Exception):  # noqa: N818 (it is a verdict on the system, not an error here)
    """A system returned another value than the stored one."""


def operations_rate(
    opener: Opener,
    address: str,
    what: str,
    values: Mapping[str, str],
    callers: int,
    size: int,
    seconds: float,
) -> float:
    """Return keys per second. what: get or set. size: how many random keys an operation has."""
    return uvloop.run(_operations_rate(opener, address, what, values, callers, size, seconds))


async def _operations_rate(
    opener: Opener,
    address: str,
    what: str,
    values: Mapping[str, str],
    callers: int,
    size: int,
    seconds: float,
) -> float:
    client = await opener(address, callers)
    try:
        operation = _gets(client, values, size) if what == "get" else _sets(client, values, size)
        return size * await _calls_rate(operation, callers, seconds)
    finally:
        await client.close()


def _choices(values: Mapping[str, str], size: int) -> list[list[str]]:
    keys, rng = list(values), random.Random(1)
    return [rng.sample(keys, size) for _ in range(_PREPARED)]


def _gets(client: Client, values: Mapping[str, str], size: int) -> Callable[[], Awaitable[None]]:
    batches = cycle([(keys, [values[key].encode() for key in keys]) for keys in _choices(values, size)])

    async def get() -> None:
        keys, expected = next(batches)
        answers = await client.get(keys)
        check(answers, expected)

    return get


def check(answers: object, expected: list[bytes]) -> None:
    """Check that all values are the stored ones. WrongAnswer."""
    assert isinstance(answers, list)
    found = [each.encode() if isinstance(each, str) else each for each in answers]
    if found != expected:
        raise WrongAnswer(f"{found[:3]}... instead of {expected[:3]}...")


def _sets(client: Client, values: Mapping[str, str], size: int) -> Callable[[], Awaitable[None]]:
    batches = cycle([{key: values[key] for key in keys} for keys in _choices(values, size)])

    async def set_some() -> None:
        await client.set(next(batches))

    return set_some


async def _calls_rate(operation: Callable[[], Awaitable[None]], callers: int, seconds: float) -> float:
    """Return the calls per second that finished in the time after a warm-up."""
    clock = asyncio.get_running_loop().time
    await asyncio.gather(*(operation() for _ in range(callers)))  # connections are made here
    begin = clock() + warm_up_seconds(seconds)
    end = begin + seconds
    done = 0

    async def caller() -> None:
        nonlocal done
        while (now := clock()) < end:
            await operation()
            done += begin <= now and clock() <= end

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    if not done:
        raise SystemExit(f"no call ended in {seconds:g} s")
    return done / seconds


def fill(opener: Opener, address: str, values: Mapping[str, str]) -> None:
    """Store all values, and check that they can be read."""
    uvloop.run(_fill(opener, address, values))


async def _fill(opener: Opener, address: str, values: Mapping[str, str]) -> None:
    keys = list(values)
    turns = iter([keys[start : start + _TURN] for start in range(0, len(keys), _TURN)])
    callers = _FILL // _TURN
    client = await opener(address, callers)

    async def caller() -> None:
        for turn in turns:
            await client.set({key: values[key] for key in turn})
            check(await client.get(turn), [values[key].encode() for key in turn])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(caller())
    finally:
        await client.close()
