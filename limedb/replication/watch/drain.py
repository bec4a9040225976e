"""Before a node stops while somebody watches, it waits for peers on which watches can't count yet.

It owns that wait, which is bounded. It must never keep a node to which nobody listens, nor wait for a peer
that doesn't answer (nobody knows whether it will return) or that is stopping itself (all may stop at once).

The reason: a node that crashed has forgotten the changes that reached it just before. Suppose that only it
and this node acknowledged a write. A feed that has not reported the write yet, or that resumes from before
it, hears of it only from this node: if this node stops, the rest isn't a majority, and the watch fails with a
gap. When watches count on the crashed node again (`Engine.watch_wait_ms` is 0), all changes from before its
crash were reported, and lie before the margin from which a running watch is resumed. So this node may stop
then.
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
    """Return when the node may stop. peers: URLs of living ones. wait_ms_of: how long watches can't count on
    one, 0 for one that is stopping; LimeDBError: no answer. is_followed: whether anybody listens to this
    node's changes. longest: seconds.
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
