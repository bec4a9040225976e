"""Batches that are not written in one step: in portions, or because some writes take another way than the
rest.

It owns the order of their outcomes, and how many go that way at a time. It must never carry a write out
itself.

Tested in tests/replication/groups/test_groups.py and tests/replication/conditional/test_proposer.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from limedb.aio.running_time import TIMER_SLACK_SECONDS
from limedb.core.groups import tag_of
from limedb.core.quorum import Level
from limedb.errors import InvalidRequestError, LimeDBError, RequestTimeoutError
from limedb.ports import Clock
from limedb.replication.requests import Write, Written
from limedb.replication.write.pending import PendingWrite, as_unknown_if_maybe_stored

AT_ONCE = 32
"""Writes of a batch, or groups of them, that are decided at a time."""

Outcomes = Sequence[Written | LimeDBError]
One = Callable[[Write, Level, float], Awaitable[Written]]
Many = Callable[[Sequence[Write], Level, float], Awaitable[Outcomes]]
OfGroup = Callable[[str, Sequence[Write], Level, float], Awaitable[Outcomes]]


async def write_apart(
    writes: Sequence[Write], level: Level, deadline: float, decide: One, write_others: Many
) -> Outcomes:
    """The outcomes of writes, some of which depend on the values of their keys: each of these is decided
    alone. InvalidRequestError: two are of one key.
    """
    if len({write.key for write in writes}) < len(writes):
        raise InvalidRequestError("a batch with conditions has a key twice: each key may be in it once")
    others = [write for write in writes if not write.is_conditional]
    turns = asyncio.Semaphore(AT_ONCE)

    async def judge(write: Write) -> Written | LimeDBError:
        async with turns:
            try:
                return await decide(write, level, deadline)
            except LimeDBError as error:
                return error

    judged = asyncio.gather(*(judge(write) for write in writes if write.is_conditional))
    plain = iter(await write_others(others, level, deadline) if others else ())
    conditional = iter(await judged)
    return [next(conditional) if write.is_conditional else next(plain) for write in writes]


async def write_by_group(
    writes: Sequence[Write], level: Level, deadline: float, write_group: OfGroup, write_others: Many
) -> Outcomes:
    """The outcomes of writes of different keys, some of which have tags: those with the same tag are carried
    out together.
    """
    by_tag: dict[str, list[int]] = {}
    for place, write in enumerate(writes):
        by_tag.setdefault(tag_of(write.key), []).append(place)
    turns = asyncio.Semaphore(AT_ONCE)

    async def carry_out(tag: str, share: Sequence[Write]) -> Outcomes:
        if not tag:
            return await write_others(share, level, deadline)
        async with turns:
            return await write_group(tag, share, level, deadline)

    shares = (carry_out(tag, [writes[i] for i in places]) for tag, places in by_tag.items())
    outcomes = dict[int, Written | LimeDBError]()
    for places, found in zip(by_tag.values(), await asyncio.gather(*shares), strict=True):
        outcomes.update(zip(places, found, strict=True))
    return [outcomes[place] for place in range(len(writes))]


async def write_in_portions(
    portions: Iterable[Sequence[Write]], level: Level, deadline: float, clock: Clock, write: Many
) -> Outcomes:
    """The outcomes of writes in portions (`portions.py`); others have their turns between these. The error of
    a portion is raised only where nothing was written before, and none is begun after the deadline.
    """
    outcomes: list[Written | LimeDBError] = []
    began = clock.monotonic()
    for portion in portions:
        try:
            if outcomes and (now := clock.monotonic()) + TIMER_SLACK_SECONDS > deadline:
                raise RequestTimeoutError(now - began, "the writes of the batch before this one")
            outcomes += await write(portion, level, deadline)
        except LimeDBError as error:
            if not outcomes:
                raise
            outcomes += [_not_begun(each, error) for each in portion]
        await asyncio.sleep(0)
    return outcomes


def _not_begun(write: Write, error: LimeDBError) -> LimeDBError:
    """The outcome of a write that this attempt did not begin."""
    job = PendingWrite(write)
    job.may_be_stored = write.attempt > 0
    return as_unknown_if_maybe_stored(job, error)
