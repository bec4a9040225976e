"""The state beside a data file."""

from pathlib import Path

import pytest

from limedb.bulk import progress
from limedb.bulk.progress import Exported, Imported
from limedb.errors import BulkError

STATE = Imported(10, 2, "head", 1, 1, 0)


def test_a_state_is_kept_replaced_and_forgotten(tmp_path: Path) -> None:
    data = tmp_path / "a.jsonl"
    assert progress.load(data, Imported) is None
    progress.save(data, Imported(0, 0, "head", 0, 0, 0))
    progress.save(data, STATE)
    assert progress.load(data, Imported) == STATE
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl.limedb-state"]
    progress.forget(data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", '{"offset":1}', "x"])
def test_what_is_no_state_is_told_with_what_to_do(tmp_path: Path, content: str) -> None:
    data = tmp_path / "a.jsonl"
    progress.state_path(data).write_text(content)
    with pytest.raises(BulkError, match="remove it to start over"):
        progress.load(data, Imported)


def test_an_import_does_not_go_on_from_the_state_of_an_export(tmp_path: Path) -> None:
    data = tmp_path / "a.jsonl"
    progress.save(data, Exported("k", 5, 1, 0, "jsonl"))
    with pytest.raises(BulkError):
        progress.load(data, Imported)
