"""A lock's key: how it is taken, kept and given back, with conditional writes.

It owns the value that proves who holds the lock, and the time until which the holder may rely on it. The
value has a part that nobody else uses, so the key never has the value of another holder, or of an earlier
holding. The key expires unless it is renewed. It must never cancel the work that a lock protects: `locks.py`
does.

A holder relies on the lock for less than the nodes keep it: its time begins before the write is sent, by a
clock of its machine that nobody sets, and is a tenth shorter. Nodes judge the expiry by the version of the
write that would follow, which is above all versions of the key (docs/decisions/0024). Where their clocks
differ by more than that tenth, two may hold the lock for a moment; their tokens distinguish them.

Tested in tests/client/test_locks.py.
"""

import asyncio
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import Protocol

from limedb.aio.retrying import Pauses
from limedb.client.arguments import Consistency, Duration, Value, is_number, milliseconds, shown
from limedb.client.conditions import UNGIVEN, Ungiven
from limedb.client.outcomes import Entry
from limedb.core.receipt import Receipt
from limedb.errors import (
    ClientStateError,
    ConditionFailedError,
    InvalidRequestError,
    LimeDBError,
    LockLostError,
    LockTakenError,
    RequestTimeoutError,
    UnavailableError,
    brief,
)

log = logging.getLogger(__name__)

DEFAULT_LOCK_SECONDS, LEAST_TTL_SECONDS = 10.0, 1.0
"""A shorter life would run out whenever a node fails."""
RENEWALS = 3
"""How many fit in a life: the lock survives a renewal that fails."""
RELIED = 0.9
"""The part of a life that the holder relies on."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.5
"""How often waiting clients check whether the lock is free."""
MOST_HOLDER_CHARACTERS = 200
_LOCK = re.compile(r".+ [0-9a-f]{16}")


class Calls(Protocol):
    """The calls of a client."""

    async def get_entry(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Entry | None:
        """As in Client."""

    async def set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        if_absent: bool = False,
        if_value: Value | Ungiven = UNGIVEN,
        timeout: Duration | None = None,
    ) -> Receipt:
        """As in Client."""

    async def delete(
        self, key: str, *, if_value: Value | Ungiven = UNGIVEN, timeout: Duration | None = None
    ) -> bool:
        """As in Client."""


class GoneError(Exception):
    """It is lost; the text has the reason."""


class Hold:
    """One lock in the hands of one client. ttl: seconds that the nodes keep it without a renewal. timeout:
    seconds of a call. holder: shown to others. lost: called when it is no longer held, in the client's loop.
    """

    def __init__(
        self,
        calls: Calls,
        key: str,
        ttl: float,
        timeout: float,
        holder: str,
        lost: Callable[[], object],
    ) -> None:
        self._calls, self._key, self._ttl, self._timeout = calls, key, ttl, timeout
        self._holder, self._on_loss = holder, lost
        self._value, self._until, self._reason = "", 0.0, ""
        self._renewal: asyncio.Task[None] | None = None
        self._trying: asyncio.Task[int] | None = None
        self._returning: set[asyncio.Task[None]] = set()
        self.token = 0

    @property
    def is_held(self) -> bool:
        """Whether it may be relied on now."""
        return self.token > 0 and not self._reason and now() < self._until

    def check(self) -> None:
        """LockLostError: it isn't held, or no longer held."""
        if not self.is_held:
            raise self._lost(self._reason or self._late())

    async def take(self, wait: float | None) -> int:
        """Take it; return the fencing token. wait: seconds; None: as long as it takes, also for nodes that
        don't answer. LockTakenError: somebody has it, and kept it for so long. UnavailableError,
        RequestTimeoutError: too few nodes answer. InvalidRequestError: this object has it, or the key's value
        isn't a lock's.
        """
        if self.token:
            raise InvalidRequestError(f"lock {brief(self._key)} is held by this object already")
        self._value, self._reason = f"{self._holder} {secrets.token_hex(8)}", ""
        end = None if wait is None else now() + wait
        try:
            self.token = await self._take(end)
        except BaseException:
            self._give_back_later()
            raise
        self._begin_renewals()
        return self.token

    def _begin_renewals(self) -> None:
        self._renewal = asyncio.create_task(self._keep(), name=f"the renewal of {self._key}")

    async def give_back(self) -> None:
        """Let others have it. LockLostError: it was lost before. UnavailableError and RequestTimeoutError:
        others have to wait until it expires.
        """
        token, renewal = self.token, self._renewal
        self.token, self._renewal = 0, None
        if renewal is not None:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        if not token or self._reason:
            raise self._lost(self._reason or "it is not held")
        try:
            await self._end(token)
        except GoneError as gone:
            raise self._lost(str(gone)) from None

    async def _end(self, token: int) -> None:
        """Let others have it. GoneError: it is lost."""
        try:
            await self._calls.delete(self._key, if_value=self._value)
        except ConditionFailedError as failed:
            raise GoneError(_who_has(failed)) from None

    def _lost(self, why: str) -> LockLostError:
        return LockLostError(self._key, why)

    async def _take(self, end: float | None) -> int:
        pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        answer = await self._attempt(looks_first=False)
        while not isinstance(answer, int):
            left = inf if end is None else end - now()
            if left <= 0:
                raise answer
            await asyncio.sleep(min(pauses.pause(), left))
            answer = await self._attempt(looks_first=True)
        return answer

    async def _attempt(self, looks_first: bool) -> int | LimeDBError:
        """Return the token, or why there is none yet."""
        try:
            if looks_first:
                await self._look()
            self._trying = asyncio.create_task(self._try())
            return await asyncio.shield(self._trying)
        except ConditionFailedError as failed:
            return LockTakenError(self._key, holder_in(self._checked(failed.value)))
        except LockTakenError as taken:
            return taken
        except (UnavailableError, RequestTimeoutError) as error:
            if isinstance(error, ClientStateError):
                raise
            log.info("lock %s: %s", brief(self._key), error)  # the next try finds out whether it took effect
            return error

    async def _look(self) -> None:
        """LockTakenError: somebody has it, so a try would be pointless."""
        entry = await self._calls.get_entry(self._key, timeout=self._timeout)
        if entry is not None and entry.value != self._value:
            raise LockTakenError(self._key, holder_in(self._checked(entry.value)))

    def _checked(self, value: Value | None) -> Value | None:
        """A lock's value. InvalidRequestError: the key has another kind of value, and may keep it forever."""
        if value is not None and not is_lock(value):
            raise InvalidRequestError(
                f"key {brief(self._key)} has a value that isn't a lock's: give the lock another name"
            )
        return value

    async def _try(self) -> int:
        """Return the token. ConditionFailedError: somebody has it. OutcomeUnknownError.
        RequestTimeoutError: it took so long that the lock's life is over.
        """
        began = now()
        try:
            receipt = await self._calls.set(
                self._key, self._value, self._ttl, if_absent=True, timeout=self._timeout
            )
        except ConditionFailedError as failed:
            if failed.value != self._value:
                raise
            began = now()  # an earlier try was carried out
            receipt = await self._calls.set(
                self._key, self._value, self._ttl, if_value=self._value, timeout=self._timeout
            )
        self._until = began + self._ttl * RELIED
        if now() >= self._until:
            raise RequestTimeoutError(self._ttl * RELIED, "the nodes, which is longer than the lock lives")
        return receipt.version

    async def _keep(self) -> None:
        """Renew it until it is lost."""
        pauses = Pauses(FIRST_PAUSE_SECONDS, self._ttl / RENEWALS)
        wait, trouble = self._ttl / RENEWALS, ""
        while True:
            await asyncio.sleep(max(0.0, min(wait, self._until - now())))
            if now() >= self._until:
                self._lose(trouble or self._late())
                return
            began = now()
            try:
                await self._renew(max(0.001, self._until - began))
            except GoneError as gone:
                self._lose(str(gone))
                return
            except ClientStateError as error:
                self._lose(str(error))
                return
            except LimeDBError as error:
                trouble = f"it could not be renewed: {error}"
                log.warning("lock %s: %s", brief(self._key), trouble)
                wait = pauses.pause()
            else:
                self._until, trouble, wait = began + self._ttl * RELIED, "", self._ttl / RENEWALS
                pauses.begin_anew()

    async def _renew(self, timeout: float) -> None:
        """Let it live for its whole time again. GoneError: it is lost."""
        try:
            await self._calls.set(self._key, self._value, self._ttl, if_value=self._value, timeout=timeout)
        except ConditionFailedError as failed:
            raise GoneError(_who_has(failed)) from None

    def _lose(self, reason: str) -> None:
        self._reason = reason
        self._on_loss()

    def _late(self) -> str:
        return f"it was not renewed for {self._ttl * RELIED:g} s" if self.token else "it is not held"

    def _give_back_later(self) -> None:
        """Delete what a try that was given up may have stored; the key expires where that fails."""
        task = asyncio.create_task(self._give_back_quietly(self._value, self._trying))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _give_back_quietly(self, value: str, trying: "asyncio.Task[int] | None") -> None:
        if trying is not None:  # else the write could overtake the delete
            await asyncio.wait((trying,))
            if not trying.cancelled() and isinstance(trying.exception(), ConditionFailedError):
                return
        try:
            await self._calls.delete(self._key, if_value=value)
        except LimeDBError as error:
            log.debug("lock %s: %s", brief(self._key), error)


def check_callback(on_lost: object) -> None:
    """InvalidRequestError: it can't be called, or would have to be awaited."""
    if on_lost is not None and (not callable(on_lost) or asyncio.iscoroutinefunction(on_lost)):
        raise InvalidRequestError(f"on_lost={shown(on_lost)}: must be a function that is not async")


def holder_name(holder: str | None) -> str:
    """Return the name that others see; by default this machine's and process's. InvalidRequestError."""
    if holder is None:
        return f"{socket.gethostname()}:{os.getpid()}"
    if not isinstance(holder, str) or not holder or not holder.isprintable():
        raise InvalidRequestError(f"holder={holder!r:.80}: must be a name of printable characters")
    if len(holder) > MOST_HOLDER_CHARACTERS:
        raise InvalidRequestError(f"holder={holder!r:.80}: longer than {MOST_HOLDER_CHARACTERS} characters")
    return holder


def life_of(ttl: Duration) -> float:
    """Return the life of a lock in seconds. InvalidRequestError: it is too short, or makes no sense."""
    life = milliseconds(ttl) / 1000
    if life < LEAST_TTL_SECONDS:
        raise InvalidRequestError(f"ttl={shown(ttl)}: a lock lives for at least {LEAST_TTL_SECONDS:g} s")
    return life


def wait_of(wait: Duration | None) -> float | None:
    """Return how long to wait, in seconds; None: as long as it takes. InvalidRequestError."""
    seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
    if seconds is not None and not (is_number(seconds) and 0 <= seconds < inf):
        raise InvalidRequestError(f"wait={shown(wait)}: must be 0 s or more, or None")
    return seconds


def is_lock(value: Value) -> bool:
    """Whether a value is a lock's: the holder's name, and 16 hex digits."""
    return isinstance(value, str) and _LOCK.fullmatch(value) is not None


def holder_in(value: Value | None) -> str:
    """Return the holder's name in the value of a lock; empty: there is none."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value or ""
    return text.rpartition(" ")[0] or text


def _who_has(failed: ConditionFailedError) -> str:
    if not failed.exists:
        return "it expired, or was deleted"
    if failed.value is None or not is_lock(failed.value):
        return "somebody has overwritten its key"
    return f"{brief(holder_in(failed.value))} has it"


def now() -> float:
    """Seconds on a clock that nobody sets, and that runs while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
