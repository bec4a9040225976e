"""How `watch` goes on when a stream breaks off: nothing twice, nothing missed silently."""

from collections.abc import Iterator

import pytest

from limedb.aio.retrying import Patience
from limedb.cli import watch as watching
from limedb.cli.watch import Follower
from limedb.errors import LimeDBError, RemoteError, UnavailableError
from limedb.operator.scans import ChangePage, WatchedChange

STANDS = ChangePage((), 1)
AWAY = UnavailableError("nobody there")
Step = ChangePage | LimeDBError


def at_once(seconds: float = 30) -> Patience:
    """A patience that waits no time."""
    return Patience(seconds, sleep=lambda _seconds: None)


class Streams:
    """Streams one after another, each told as its messages. resumed: the versions that were asked for."""

    def __init__(self, *streams: list[Step]) -> None:
        self._streams, self.resumed = list(streams), list[int | None]()

    def __call__(self, after: int | None) -> Iterator[ChangePage]:
        self.resumed.append(after)
        for step in self._streams.pop(0):
            if isinstance(step, LimeDBError):
                raise step
            yield step


def told(*versions: int, key: str = "k") -> ChangePage:
    return ChangePage(
        tuple(WatchedChange(key, str(version), version, 0) for version in versions), max(versions)
    )


def follow(streams: Streams, count: int, after: int | None = None, patience: float = 30) -> list[int]:
    changes = Follower(streams, after, at_once(patience)).changes()
    return [next(changes).version for _ in range(count)]


def test_a_watch_is_resumed_after_what_it_heard_last_and_shows_nothing_twice() -> None:
    streams = Streams([STANDS, told(5, 6), AWAY], [AWAY], [STANDS, told(5, 6, 7)])
    assert follow(streams, 3) == [5, 6, 7]
    assert streams.resumed == [None, 6, 6]


def test_changes_of_other_keys_are_reported_whatever_their_versions() -> None:
    again: list[Step] = [told(8, key="b"), told(9, key="a"), told(10, key="b")]
    streams = Streams([STANDS, told(9, key="a"), AWAY], again)
    assert follow(streams, 3) == [9, 8, 10]


def test_it_begins_where_it_should() -> None:
    streams = Streams([STANDS, told(5)])
    assert follow(streams, 1, after=3) == [5]
    assert streams.resumed == [3]


def test_a_stream_that_ends_is_resumed_like_one_that_broke_off() -> None:
    assert follow(Streams([told(5)], [told(6)]), 2) == [5, 6]


def test_nobody_there_at_the_beginning_is_reported_at_once() -> None:
    with pytest.raises(LimeDBError, match=r"^nobody there$"):
        follow(Streams([AWAY]), 1)


def test_a_gap_ends_it_and_says_what_to_do() -> None:
    gap = RemoteError("node", "WATCH_GAP", "OUT_OF_RANGE", "some changes are gone")
    with pytest.raises(LimeDBError, match="some changes are gone; `limedb scan` reads the keys"):
        follow(Streams([STANDS, told(5), AWAY], [gap]), 2)


def test_it_gives_up_in_time_and_says_where_to_continue() -> None:
    with pytest.raises(LimeDBError, match=r"nobody there; continue with --after-version 5$"):
        follow(Streams([told(5), AWAY]), 2, patience=0)


@pytest.mark.parametrize("kind", ["TOO_MANY_WATCHES", "OVERLOADED"])
def test_a_node_that_has_too_much_to_do_is_asked_again(kind: str) -> None:
    busy = RemoteError("node", kind, "RESOURCE_EXHAUSTED", "not now")
    assert follow(Streams([told(5), AWAY], [busy], [told(6)]), 2) == [5, 6]


def test_what_it_remembers_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "REMEMBERED", 2)
    follower = Follower(Streams([told(n, key=f"k{n}") for n in range(1, 6)]), None, at_once())
    changes = follower.changes()
    assert [next(changes).version for _ in range(5)] == [1, 2, 3, 4, 5]
    assert len(follower._shown) == 2
