"""What is wrong with a node, in one place.

It owns the list of those who may have something to say, and which of it keeps the node from serving. It must
never find out by itself what is wrong: each part says that of itself, when it is asked.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong, now.

    text: a sentence that says what happened, with the values found, and what to do. stops_serving: the node
    takes no requests while it lasts, so that its health is NOT_SERVING; else it is a warning.
    """

    text: str
    stops_serving: bool = False


Source = Callable[[], Iterable[Problem]]
"""It is called often (some twenty times a second): it looks at what is known, and does no I/O."""


class Problems:
    """All that is wrong with a node, in the order in which its parts were added."""

    def __init__(self) -> None:
        self._sources: list[Source] = []

    def add(self, source: Source) -> None:
        """Ask the source too, from now on."""
        self._sources.append(source)

    def now(self) -> list[Problem]:
        """What is wrong at this moment."""
        return [problem for source in self._sources for problem in _asked(source)]

    @property
    def blocking(self) -> str:
        """The first reason not to serve; empty: there is none."""
        return next((problem.text for problem in self.now() if problem.stops_serving), "")

    @property
    def warnings(self) -> list[str]:
        """What is wrong although the node serves."""
        return [problem.text for problem in self.now() if not problem.stops_serving]


def _asked(source: Source) -> list[Problem]:
    """What a source says. One that fails is a problem itself: it must not hide the others, nor end health,
    status and the streams of reports with it.
    """
    try:
        return list(source())
    except Exception as error:
        name = getattr(source, "__qualname__", repr(source))
        return [Problem(f"{name}, which looks for problems of this node, failed itself: {error!r}")]
