"""Everything that is wrong with a node, in one place.

It owns the list of parts that may report problems, and which problems keep the node from serving. It must
never look for problems itself: each part reports its own when asked.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong, now."""

    text: str
    """A sentence about the event, with the values found, and about the remedy."""
    stops_serving: bool = False
    """Whether the node takes no requests while it lasts, so that its health is NOT_SERVING; otherwise it
    is a warning.
    """
    is_private: bool = False
    """Whether the text names keys or files, which only operators may see."""


HIDDEN = "a warning of this node names keys or files: `limedb admin status` shows it to operators"
"""In the place of warnings that are private."""

Source = Callable[[], Iterable[Problem]]
"""Called often (some twenty times a second), so it looks at known facts only and does no I/O."""


class Problems:
    """All that is wrong with a node, in the order in which its parts were added."""

    def __init__(self) -> None:
        self._sources: list[Source] = []

    def add(self, source: Source) -> None:
        """Ask this source, too, from now on."""
        self._sources.append(source)

    def now(self) -> list[Problem]:
        """The problems at this moment."""
        return [problem for source in self._sources for problem in _asked(source)]

    @property
    def blocking(self) -> str:
        """The first reason not to serve; empty: there is none."""
        return next((problem.text for problem in self.now() if problem.stops_serving), "")

    @property
    def warnings(self) -> list[str]:
        """The problems that don't keep the node from serving."""
        return [problem.text for problem in self.now() if not problem.stops_serving]

    @property
    def public_warnings(self) -> list[str]:
        """The same for callers who may not know all keys and files."""
        found = [problem for problem in self.now() if not problem.stops_serving]
        return [*dict.fromkeys(HIDDEN if problem.is_private else problem.text for problem in found)]


def _asked(source: Source) -> list[Problem]:
    """The problems that a source reports. A source that fails is a problem itself: it must not hide the
    others, nor break health, status and the streams of reports.
    """
    try:
        return list(source())
    except Exception as error:
        name = getattr(source, "__qualname__", repr(source))
        return [
            Problem(
                f"{name}, which looks for problems of this node, failed itself: {error!r}", is_private=True
            )
        ]
