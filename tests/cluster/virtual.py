"""An event loop whose time jumps to the next timer, so that minutes of many nodes pass in milliseconds.

It owns time in tests that use no sockets and no threads. A loop that would wait forever fails instead. Model:
`MockClock` with autojump in python-trio/trio.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START_MS = 1_700_000_000_000


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, says that its time has come."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("the virtual loop waits for what can't happen: no timer, no socket")
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that starts at time 0 and lives in virtual seconds."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def work(self, seconds: float) -> None:
        """Let time pass in the middle of a turn, as work does."""
        self._jumping.now += seconds


class VirtualClock:
    """The clock of a node on the running virtual loop. `offset_ms` shifts its wall clock."""

    def __init__(self, offset_ms: int = 0) -> None:
        self.offset_ms = offset_ms

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def worked(self) -> float:
        return 0.0

    def wall_ms(self) -> int:
        return START_MS + self.offset_ms + int(self.monotonic() * 1000)


def run_virtual(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a scenario to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)


async def wait_until(condition: Callable[[], bool], limit: float, step: float = 0.05) -> float:
    """Wait for a condition; the virtual seconds that it took. AssertionError: not within the limit."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not condition():
        assert loop.time() - start <= limit, f"not within {limit} virtual seconds"
        await asyncio.sleep(step)
    return loop.time() - start
