"""Before a node stops, it waits for peers that don't count for watches yet, where somebody watches.

It owns that wait, which is bounded. It must never keep a node that nobody listens to, nor wait for a peer
that doesn't answer (nobody knows whether it comes back) or that stops itself (all may be stopped at once).

Why: a node that crashed has forgotten what reached it just before. Let a write have been acknowledged by it
and by this node, and by no other. A feed that has not reported it yet, or that is resumed from before, hears
of it from this node alone: if it stops, the rest is no majority, and the watch ends with a gap. When the
crashed node counts again (`Engine.watch_wait_ms` is 0), all that arrived before its crash was reported, and
lies behind the margin from which a watch that stands is resumed. So this node may stop then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from limedb.errors import LimeDBError

LOOK_SECONDS = 0.25


async def wait_watchable(
    peers: Callable[[], Iterable[str]],
    wait_ms_of: Callable[[str], Awaitable[int]],
    is_followed: Callable[[], bool],
    longest: float,
) -> None:
    """Return when the node may stop. peers: URLs of living ones. wait_ms_of: how long one does not count, 0
    for one that stops; LimeDBError: no answer. is_followed: whether anybody listens to this node's changes.
    longest: seconds.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(longest):
            while is_followed() and await _any_waits(peers(), wait_ms_of):  # noqa: ASYNC110 (of other nodes)
                await asyncio.sleep(LOOK_SECONDS)


async def _any_waits(urls: Iterable[str], wait_ms_of: Callable[[str], Awaitable[int]]) -> bool:
    return any(await asyncio.gather(*(_ask(url, wait_ms_of) for url in urls)))


async def _ask(url: str, wait_ms_of: Callable[[str], Awaitable[int]]) -> int:
    try:
        return await wait_ms_of(url)
    except LimeDBError:
        return 0
