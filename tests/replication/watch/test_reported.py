"""What a feed remembers of what it reported."""

from hypothesis import given
from hypothesis import strategies as st

from limedb.replication.watch.reported import Known, Reported


def test_the_last_version_of_a_key_is_known() -> None:
    reported = Reported(lambda: 10)
    reported.note("a", 5, 0)
    looks = [reported.look("a", version) for version in (4, 5, 6)]
    assert looks == [Known.PASSED, Known.LAST, Known.NEW]
    assert (reported.look("b", 1), reported.position("a")) == (Known.NEW, 0)


def test_of_a_forgotten_key_only_what_is_newer_is_known() -> None:
    reported = Reported(lambda: 1)
    reported.note("a", 5, 0)
    reported.note("b", 9, 1)
    looks = [reported.look("a", version) for version in (4, 5, 6)]
    assert looks == [Known.UNSURE, Known.UNSURE, Known.NEW]
    assert len(reported) == 1


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 20)), max_size=60))
def test_it_is_never_wrong_and_never_grows(limit: int, asked: list[tuple[str, int]]) -> None:
    reported, truth = Reported(lambda: limit), dict[str, int]()
    for position, (key, version) in enumerate(asked):
        known, last = reported.look(key, version), truth.get(key, 0)
        assert known in (Known.UNSURE, _truly(version, last))
        assert known is not Known.UNSURE or key not in list(truth)[-1:]
        if version > last and known is Known.NEW:
            reported.note(key, version, position)
            truth.pop(key, None)
            truth[key] = version
        assert len(reported) <= limit


def _truly(version: int, last: int) -> Known:
    return Known.NEW if version > last else Known.LAST if version == last else Known.PASSED
