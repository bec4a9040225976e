"""A process that takes a lock again and again, counts under it, and writes down what it saw.

Each line is one write to a file that all workers share, so that lines stand in the order in which they were
written: a kind, the worker, and numbers. `try`: it asks for the lock. `has T AT`: it has the token T, at the
moment AT (seconds of a clock that all share). `sure T AT`: it relied on the lock at AT, and asked after that.
`count T`: its increment is done. `maybe T`: unknown. `refused T`: a later holder had written. `gone T`:
it gave the lock back. `lost T`: it was lost.
"""

import asyncio
import os
import sys
import time

import limedb
from limedb.client import Client, Lock, Value
from limedb.errors import LimeDBError, LockLostError, OutcomeUnknownError


class OvertakenError(Exception):
    """A later holder has written."""


class Worker:
    """A worker. name: of the lock and, with another ending, of the count."""

    def __init__(self, me: str, file: str, name: str) -> None:
        self._me, self._name = me, name
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def run(self, addresses: str, ttl: float) -> None:
        """Work until the process is ended."""
        async with limedb.connect(addresses, timeout=3, patient=True) as db:
            while True:
                self._note("try")
                try:
                    await self._hold(db, ttl)
                except LimeDBError as error:
                    self._note("failed", type(error).__name__)
                    await asyncio.sleep(0.05)

    async def _hold(self, db: Client, ttl: float) -> None:
        lock = db.lock(self._name, ttl, holder=self._me)
        token = await lock.acquire()
        self._note("has", token, time.clock_gettime(time.CLOCK_BOOTTIME))
        try:
            for _ in range(5):
                await self._count(db, token)
                at = time.clock_gettime(time.CLOCK_BOOTTIME)
                if not lock.is_held:
                    break
                self._note("sure", token, at)
        finally:
            await self._leave(lock, token)

    async def _count(self, db: Client, token: int) -> None:
        def edit(old: Value | None) -> str:
            last, _, count = str(old or "0 0").partition(" ")
            if int(last) > token:
                raise OvertakenError
            return f"{token} {int(count) + 1}"

        try:
            await db.cas(f"{self._name}/count", edit)
        except OvertakenError:
            self._note("refused", token)
        except OutcomeUnknownError:
            self._note("maybe", token)
        else:
            self._note("count", token)

    async def _leave(self, lock: Lock, token: int) -> None:
        try:
            await lock.release()
        except LockLostError:
            self._note("lost", token)
        except LimeDBError as error:
            self._note("kept", type(error).__name__)
        else:
            self._note("gone", token)

    def _note(self, *words: object) -> None:
        os.write(self._file, " ".join(map(str, (self._me, *words))).encode() + b"\n")


if __name__ == "__main__":
    me, file, name, addresses, ttl = sys.argv[1:]
    asyncio.run(Worker(me, file, name).run(addresses, float(ttl)))
