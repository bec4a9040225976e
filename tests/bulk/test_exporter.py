"""Exports: what is written, and that they go on where they broke off."""

import io
import json
from collections.abc import Iterator

import pytest

from limedb.aio.retrying import Patience
from limedb.bulk.exporter import Exporter, Progress
from limedb.bulk.items import Format
from limedb.errors import BadItemError, UnavailableError
from limedb.operator.scans import ScanEntry, ScanPage

ENTRIES = tuple(ScanEntry(f"k{n:02d}", f"v{n}", 2, 1, 0) for n in range(25))


class Scans:
    """Scans of the entries in pages of ten. breaks: how many of them break off behind their first page."""

    def __init__(self, entries: tuple[ScanEntry, ...] = ENTRIES, breaks: int = 0) -> None:
        self._entries, self._breaks = entries, breaks

    def __call__(self, after: str | None) -> Iterator[ScanPage]:
        left = [entry for entry in self._entries if after is None or entry.key > after]
        for first in range(0, max(len(left), 1), 10):
            page = tuple(left[first : first + 10])
            is_last = first + 10 >= len(left)
            yield ScanPage(page, None if is_last else page[-1].key)
            if self._breaks and not is_last:
                self._breaks -= 1
                raise UnavailableError("the node is gone")


def export(
    form: Format, scans: Scans, progress: Progress | None = None, patience: float = 30
) -> tuple[bytes, Progress, list[str]]:
    out, told = io.BytesIO(), list[str]()

    def report(error: BadItemError) -> None:
        told.append(str(error))

    run = Exporter(form, out, progress or Progress(), report, lambda: None, at_once(patience))
    run.run(scans)
    return out.getvalue(), run.progress, told


def at_once(seconds: float) -> Patience:
    """A patience that waits no time."""
    return Patience(seconds, sleep=lambda _seconds: None)


def test_all_keys_are_written_once_in_order_though_the_scan_breaks_off() -> None:
    data, progress, _ = export(Format.JSONL, Scans(breaks=2))
    assert [json.loads(line)["key"] for line in data.splitlines()] == [entry.key for entry in ENTRIES]
    assert progress.written == 25


def test_it_gives_up_when_the_scan_does_not_continue_in_time() -> None:
    with pytest.raises(UnavailableError):
        export(Format.JSONL, Scans(breaks=1), patience=0)


def test_it_fails_at_once_where_no_page_ever_came() -> None:
    def nobody(_after: str | None) -> Iterator[ScanPage]:
        raise UnavailableError("nobody there")
        yield

    run = Exporter(Format.JSONL, io.BytesIO(), Progress(), lambda _: None, lambda: None, Patience(1000))
    with pytest.raises(UnavailableError, match=r"^nobody there$"):
        run.run(nobody)


def test_it_continues_behind_a_cursor_without_a_second_header() -> None:
    data, progress, _ = export(Format.CSV, Scans(), Progress(after="k20", written=21))
    assert data.splitlines()[0] == b"k21,v21,,"
    assert progress.written == 25


@pytest.mark.parametrize("entries", [ENTRIES, ENTRIES[:1], ()])
def test_a_go_data_file_is_one_object_whatever_the_pages(entries: tuple[ScanEntry, ...]) -> None:
    data, _, _ = export(Format.GO, Scans(entries))
    assert json.loads(data) == {entry.key: entry.value for entry in entries}


def test_what_the_form_cannot_hold_is_reported_and_left_out() -> None:
    entries = (ScanEntry("bytes", b"v", 1, 1, 0), *ENTRIES[:2], ScanEntry("short", "v", 1, 1, 5))
    data, progress, told = export(Format.GO, Scans(entries))
    assert list(json.loads(data)) == ["k00", "k01"]
    assert (progress.failed, len(told), "'bytes'" in told[0], "'short'" in told[1]) == (2, 2, True, True)
