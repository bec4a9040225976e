"""Keeps background work running: it logs what fails, and starts it again after a pause that grows.

It owns the pauses and the list of failing work. It must never run work that its owner can't do without: a
failure of such work must end the owner, too. Source: the one-for-one supervisors of Erlang/OTP.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
STEADY_SECONDS = 60.0
"""After this long without a failure, work counts as healthy again, and its next pause is the first one."""


class Supervisor:
    """Runs coroutines that should run until they are cancelled."""

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}

    @property
    def failing(self) -> Mapping[str, str]:
        """By name, the error of work that failed and has not run for STEADY_SECONDS since."""
        return MappingProxyType(self._failing)

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Await work() again and again until cancelled. name: what it is, for the log."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            loop = asyncio.get_running_loop()
            well = loop.call_later(STEADY_SECONDS, self._failing.pop, name, None)
            try:
                await work()
                log.error("%s ended, although it should not; it starts again in %g s", name, pause)
            except (Exception, asyncio.CancelledError) as error:
                if _is_cancelled():
                    raise
                if name not in self._failing:
                    pause = FIRST_PAUSE_SECONDS
                text = self._failing[name] = str(error) or type(error).__name__
                log.error("%s failed: %s; it starts again in %g s", name, text, pause, exc_info=error)
            finally:
                well.cancel()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _is_cancelled() -> bool:
    """Whether the running task itself was cancelled, and not a call that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
