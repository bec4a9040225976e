"""The waits of a piece of work: collected on the way, read only if the work was slow.

It owns the spans of the work that the running task belongs to. It must never judge or report:
`observability/slow_requests.py` does. A stage costs a look at the clock, and work that goes together shares
its stages.

Tested in tests/observability/test_slow_requests.py.

Moments are those of `time.perf_counter`, in seconds.
"""

from contextvars import ContextVar
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

MOST_CHAINS = 32
"""A task that outlives its work keeps the stages that it began with, and must not fill them forever."""


class Span(NamedTuple):
    """A stage from its beginning to its end."""

    name: str
    begin: float
    end: float


class Stages:
    """The stages of some work, which began at a moment. name: of the work; empty: its method says enough."""

    __slots__ = ("_chains", "began", "name")

    def __init__(self, name: str = "") -> None:
        self.name, self.began = name, perf_counter()
        self._chains: list[tuple[tuple[str, ...], tuple[float, ...]]] = []

    def add(self, names: tuple[str, ...], moments: tuple[float, ...]) -> None:
        """Note stages that follow each other. moments: when each began, and when the last one ended."""
        if len(self._chains) < MOST_CHAINS:
            self._chains.append((names, moments))

    def share(self, other: "Stages") -> None:
        """Share the stages of other work."""
        self.began, self._chains = other.began, other._chains

    @property
    def spans(self) -> list[Span]:
        """All stages."""
        return [
            Span(name, *moments)
            for names, chain in self._chains
            for name, moments in zip(names, pairwise(chain), strict=True)
        ]


_CURRENT: ContextVar[Stages | None] = ContextVar("limedb-stages", default=None)


def current_stages() -> Stages | None:
    """The stages of the running task's work; None: nobody has begun any."""
    return _CURRENT.get()


def begin_stages(name: str = "") -> Stages:
    """Begin the stages of the running task, and of the tasks that it starts from now on."""
    stages = Stages(name)
    _CURRENT.set(stages)
    return stages


def ensure_stages() -> None:
    """Begin the stages of the running task, unless it belongs to work that has some."""
    if _CURRENT.get() is None:
        begin_stages()


def join_stages(shared: Stages | None) -> None:
    """Let the running task have the stages of the work that it shared with others."""
    own = _CURRENT.get()
    if own is None or shared is None:
        _CURRENT.set(shared)
    else:
        own.share(shared)
