"""An event loop that chooses by seed which ready callback runs next, so that a seed is one history.

It owns time and choice: virtual time jumps to the next timer, ready callbacks run in an order that the seed
decides, and whatever belongs to a node (its tasks, their callbacks and timers) can be stopped as SIGSTOP
would or ended as SIGKILL would. It must never depend on addresses: tasks and futures are hashed by number,
so that sets of them have one order.

Model: FoundationDB's simulation (Zhou et al. 2021, "FoundationDB: A Distributed Unbundled Transactional Key
Value Store", section 4); the shuffle of ready tasks is trio's (trio/_core/_run.py).
"""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar

from tests.cluster.virtual import VirtualLoop

T = TypeVar("T")

CANCEL_ROUNDS = 10
"""How often a task is cancelled before it counts as one that can't be."""


class Process:
    """What runs as one process: all tasks started in it, and by them.

    is_stopped: nothing of it runs until `resume`. is_dead: it was killed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_stopped = self.is_dead = False
        self.parked: list[asyncio.Handle] = []
        self.tasks: dict[asyncio.Task[Any], None] = {}  # in the order of their start

    def start(self, work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Run something in it, whoever calls."""
        context = copy_context()
        context.run(_PROCESS.set, self)
        return asyncio.get_running_loop().create_task(work, name=name, context=context)

    def stop(self) -> None:
        """Let nothing of it run any more, until `resume`."""
        self.is_stopped = True

    def resume(self) -> None:
        """Let it run again; what was due in the meantime is due now."""
        self.is_stopped = False
        parked, self.parked = self.parked, []
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        ready.extend(parked)

    async def kill(self) -> list[str]:
        """End all that runs in it. What its cleanup asks of the world, the world refuses (`is_dead`).

        It returns where tasks stand that don't end when they are cancelled: a real stop would hang on them.
        """
        self.is_dead = True
        self.resume()
        for _ in range(CANCEL_ROUNDS):
            tasks = [task for task in self.tasks if not task.done()]
            if not tasks:
                return []
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.001)
        return [str(task.get_stack()[-1:]) for task in self.tasks if not task.done()]


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


def current_process() -> Process | None:
    """The process that the caller runs in; None: none, it is the test itself."""
    return _PROCESS.get()


class _Choosing(deque[asyncio.Handle]):
    """Ready callbacks, of which any may be the first; those of stopped processes are put aside."""

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self._rng = rng
        self.steps = 0
        self.limits: dict[int, Callable[[], object]] = {}

    def popleft(self) -> asyncio.Handle:
        self.steps += 1
        if limit := self.limits.get(self.steps):
            limit()
        if len(self) > 1:
            chosen = self._rng.randrange(len(self))
            self[0], self[chosen] = self[chosen], self[0]
        handle = super().popleft()
        process: Process | None = handle._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is None or not process.is_stopped or handle.cancelled():
            return handle
        process.parked.append(handle)
        return _nothing()


def _nothing() -> asyncio.Handle:
    """A callback that the loop passes over."""
    handle = asyncio.Handle(lambda: None, (), asyncio.get_running_loop())
    handle.cancel()
    return handle


class _Task(asyncio.Task[T]):
    """A task with a number for a hash."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, T], **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number


class _Future(asyncio.Future[T]):
    def __init__(self, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(**options)

    def __hash__(self) -> int:
        return self._number


class SimLoop(VirtualLoop):
    """A virtual loop whose choices follow a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._ready: _Choosing = _Choosing(Random(f"{seed} loop"))
        self._numbers = 0
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    @property
    def steps(self) -> int:
        """How many callbacks have run."""
        return self._ready.steps

    def call_at_step(self, step: int, call: Callable[[], object]) -> None:
        """Call something when that many callbacks have run."""
        self._ready.limits[step] = call

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(self._number(), loop=self)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _make_task(
        self, loop: Any, coro: Coroutine[Any, Any, T], context: Context | None = None
    ) -> asyncio.Task[T]:
        task = _Task(self._number(), coro, loop=loop, context=context)
        process = (copy_context() if context is None else context).get(_PROCESS)
        if process is not None:
            process.tasks[task] = None
            task.add_done_callback(lambda done: process.tasks.pop(done, None) and None)
        return task


def run_seeded(seed: int, scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a scenario to its end on a loop of that seed."""
    with _no_collection(), asyncio.Runner(loop_factory=lambda: SimLoop(seed)) as runner:
        return runner.run(scenario())


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage is not collected in the block: when it is depends on what ran before, and it may run code."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
