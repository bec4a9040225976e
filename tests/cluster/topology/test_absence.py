"""A member is lost only by the word of a majority, and only while it doesn't answer itself."""

import pytest

from limedb.cluster.topology.absence import Missed, Silence
from limedb.core.report import Progress
from limedb.core.topology import Member, initial_topology
from limedb.errors import UnavailableError

MEMBERS = [Member(name, f"http://{name}:1") for name in "abcde"]
TOPOLOGY = initial_topology("c1", 3, MEMBERS)
LOST = MEMBERS[4]
LIMIT = 30.0


def progress(absent: float | None = None, cluster_id: str = "c1") -> Progress:
    return Progress(1, dead={} if absent is None else {LOST.url: absent}, cluster_id=cluster_id)


class Replaced:
    """What is known of a member's URL."""

    def __init__(self, was_replaced: bool) -> None:
        self._was_replaced = was_replaced

    def was_replaced(self, member: Member) -> bool:
        return self._was_replaced


@pytest.mark.parametrize(("missing", "is_enough", "is_hopeless"), [(3, True, False), (2, False, True)])
def test_a_majority_must_have_missed_it_for_long_enough(
    missing: int, is_enough: bool, is_hopeless: bool
) -> None:
    missed = Missed(TOPOLOGY, LOST, LIMIT)
    for i, member in enumerate(MEMBERS):
        missed.take(member.url, progress(LIMIT if i < missing else LIMIT - 1))
    assert (missed.is_enough, missed.is_hopeless) == (is_enough, is_hopeless)


def test_voters_that_do_not_answer_miss_nobody() -> None:
    missed = Missed(TOPOLOGY, LOST, LIMIT)
    missed.take(MEMBERS[0].url, progress(LIMIT))
    for member in MEMBERS[1:4]:
        missed.lose(member.url, UnavailableError("no answer"))
    assert missed.is_hopeless


@pytest.mark.parametrize(
    ("cluster_id", "was_replaced", "is_silent"),
    [("c1", False, False), ("c2", False, True), ("c1", True, True)],
)
def test_only_its_own_answer_shows_that_it_is_there(
    cluster_id: str, was_replaced: bool, is_silent: bool
) -> None:
    silence = Silence(TOPOLOGY, LOST, Replaced(was_replaced))  # type: ignore[arg-type]
    silence.take(LOST.url, progress(cluster_id=cluster_id))
    assert (silence.is_enough, silence.is_hopeless) == (is_silent, not is_silent)


def test_no_answer_is_silence() -> None:
    silence = Silence(TOPOLOGY, LOST, Replaced(False))  # type: ignore[arg-type]
    silence.lose(LOST.url, UnavailableError("no answer"))
    assert silence.is_enough
