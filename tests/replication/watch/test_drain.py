"""A node that is asked to stop waits for peers that don't count for watches, in virtual time."""

import asyncio
from collections.abc import Callable, Mapping

from limedb.errors import ReplicaUnreachableError
from limedb.replication.watch.drain import LOOK_SECONDS, wait_watchable
from tests.cluster.virtual import run_virtual


def waited(counts_at: Mapping[str, float | None], is_followed: Callable[[], bool] = lambda: True) -> float:
    """How many seconds a stop takes. counts_at: when each peer counts; None: it doesn't answer."""

    async def scenario() -> float:
        now = asyncio.get_running_loop().time
        start = now()

        async def wait_ms_of(url: str) -> int:
            at = counts_at[url]
            if at is None:
                raise ReplicaUnreachableError(url, "it is down")
            return max(0, round(1000 * (start + at - now())))

        await wait_watchable(lambda: counts_at, wait_ms_of, is_followed, longest=10.0)
        return now() - start

    return run_virtual(scenario())


def test_a_stop_waits_until_all_peers_count() -> None:
    assert 4.0 <= waited({"a": 0.0, "b": 4.0}) <= 4.0 + LOOK_SECONDS


def test_it_does_not_wait_where_nobody_watches_or_all_count_or_do_not_answer() -> None:
    assert waited({"a": 4.0}, lambda: False) == 0
    assert waited({"a": 0.0, "b": None}) == 0


def test_it_waits_for_a_bounded_time() -> None:
    assert 10.0 <= waited({"a": 1000.0}) <= 10.0 + LOOK_SECONDS
