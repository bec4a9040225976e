"""The list of damaged keys: each is counted once, and leaves the list mended or not."""

import pytest

from limedb.core import damage as module
from limedb.core.damage import Damage, check_whole
from limedb.core.record import Record
from limedb.errors import LOST, RecordDamagedError


def test_a_key_is_listed_and_heard_of_once() -> None:
    damage, heard = Damage(), []
    damage.listen(lambda: heard.append(len(damage)))
    damage.note(["a", "b"], "its checksum is wrong")
    damage.note(["b"], "again")
    assert heard == [2]
    assert ("a" in damage, len(damage), damage.found) == (True, 2, 2)
    assert damage.some(1) == [("a", "its checksum is wrong")]


def test_a_key_leaves_the_list_mended_or_found_sound() -> None:
    damage = Damage()
    damage.note(["a", "b"], "x")
    damage.drop("a", is_mended=True)
    damage.drop("b", is_mended=False)
    damage.drop("never listed", is_mended=True)
    assert (len(damage), damage.mended) == (0, 1)


def test_what_no_other_replica_has_is_counted_once_and_said() -> None:
    damage = Damage()
    damage.note(["a"], "x")
    damage.lose("a")
    damage.lose("a")
    assert (damage.lost, damage.why("a", "flawed")) == (1, "flawed; no other replica has it")
    damage.drop("a", is_mended=True)
    assert (damage.lost, damage.why("a", "flawed")) == (1, "flawed")


def test_counts_are_by_outcome() -> None:
    damage = Damage()
    damage.note(["a", "b"], "x")
    damage.drop("a", is_mended=True)
    damage.note_conflict("c")
    assert damage.counts() == {"waiting": 1, "mended": 1, "lost": 0, "index": 0, "conflict": 1}
    assert damage.conflict == ("c", "this node and another")


def test_the_list_is_bounded() -> None:
    damage = Damage()
    damage.note((str(i) for i in range(module.MAX_DAMAGED)), "x")
    damage.note(["one more"], "x")
    assert (len(damage), "one more" in damage) == (module.MAX_DAMAGED, False)


def test_records_found_beside_a_damaged_one_are_not_all() -> None:
    check_whole([Record("k", "v", 1), None])
    error = RecordDamagedError("k", "its checksum is wrong")
    with pytest.raises(RecordDamagedError):
        check_whole([Record("k", "v", 1), error])


def test_the_error_of_a_damaged_record_advises_what_can_help() -> None:
    open_end, lost = RecordDamagedError(("k",), "rot"), RecordDamagedError(("k",), f"rot; {LOST}")
    assert str(open_end).endswith("(rot): it is fetched from the other replicas if one has it: try again")
    assert str(lost).endswith("(rot; no other replica has it): write the key again or delete it")
