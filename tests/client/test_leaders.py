"""Leaders: of many candidates one works at a time.

Tests limedb/client/locks.py and limedb/client/sync_locks.py.
"""

import asyncio
from threading import Thread

import pytest

import limedb
from limedb.client import Lock, SyncLock
from tests.support.keys import new_key


async def test_candidates_lead_one_after_the_other(node: str) -> None:
    name, led = new_key(), list[tuple[str, int]]()
    async with limedb.connect(node) as db:

        async def work(lock: Lock) -> str:
            leader = await db.leader(name).current()
            led.append((leader or "", lock.token))
            return f"{leader} is done"

        candidates = [db.leader(name, candidate=f"candidate {n}") for n in range(3)]
        done = await asyncio.gather(*(candidate.run(work) for candidate in candidates))
        assert sorted(done) == [f"candidate {n} is done" for n in range(3)]
        assert led == sorted(led, key=lambda one: one[1])
        assert {leader for leader, _ in led} == {f"candidate {n}" for n in range(3)}
        assert await db.leader(name).current() is None


async def test_who_lost_the_leadership_is_a_candidate_again(node: str) -> None:
    async with limedb.connect(node) as db:
        name, tokens = new_key(), list[int]()

        async def work(lock: Lock) -> int:
            tokens.append(lock.token)
            if len(tokens) == 1:
                await db.delete(name)
                await asyncio.sleep(60)
            return len(tokens)

        assert await db.leader(name, ttl=1).run(work) == 2
        assert tokens[1] > tokens[0]
        with pytest.raises(ZeroDivisionError):
            await db.leader(name).run(_fail)


async def _fail(lock: Lock) -> None:
    raise ZeroDivisionError


def test_synchronous_candidates_lead_one_after_the_other(node: str) -> None:
    with limedb.connect_sync(node) as db:
        name, tokens, lost = new_key(), list[int](), list[int]()

        def work(lock: SyncLock) -> None:
            tokens.append(lock.token)
            if not lost:  # the first one loses it
                lost.append(lock.token)
                db.delete(name)
                while True:
                    lock.check()

        threads = [Thread(target=db.leader(name, ttl=1).run, args=(work,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert tokens == sorted(set(tokens))
        assert len(tokens) == 4
        assert db.leader(name).current() is None
