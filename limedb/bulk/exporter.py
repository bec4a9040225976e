"""Export: the keys of a scan become lines of a file, page by page.

It owns the progress: after each page the file is a whole number of items. It must never hold more than one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from limedb.aio.retrying import Patience
from limedb.bulk import csv_file, go_file, jsonl
from limedb.bulk.items import Format, Item
from limedb.errors import BadItemError, LimeDBError, UnavailableError
from limedb.operator.scans import ScanPage

Scan = Callable[[str | None], Iterator[ScanPage]]
"""Yields the pages after a cursor."""


@dataclass(slots=True)
class Progress:
    """The progress of an export. after: the cursor, None at the start; written, failed: items."""

    after: str | None = None
    written: int = 0
    failed: int = 0


class Exporter:
    """An export into a file, whose position is where the export continues.

    report: called for each key that the form can't hold. moved: called when a page is in the file.
    patience: with a scan that breaks; one that never returned a page fails at once.
    """

    def __init__(
        self,
        form: Format,
        out: BinaryIO,
        progress: Progress,
        report: Callable[[BadItemError], None],
        moved: Callable[[], None],
        patience: Patience,
    ) -> None:
        self.progress = progress
        self._form, self._out, self._report, self._moved = form, out, report, moved
        self._patience = patience

    def run(self, scan: Scan) -> None:
        """Write all pages. LimeDBError: the scan broke, and did not continue in time."""
        if self.progress.after is None:
            self._out.write({Format.CSV: csv_file.header(), Format.GO: b"{"}.get(self._form, b""))
        for page in self._pages(scan):
            for entry in page.entries:
                if entry.value is not None:
                    self._write(Item(entry.key, entry.value, entry.expires_at_ms))
            self.progress.after = page.after
            self._moved()
        if self._form is Format.GO:
            self._out.write(b"\n}\n")

    def _pages(self, scan: Scan) -> Iterator[ScanPage]:
        """Yield the pages to the end, even if a node goes away meanwhile."""
        has_come = False
        while True:
            error: LimeDBError = UnavailableError("the scan stopped before the end of its range")
            try:
                for page in scan(self.progress.after):
                    yield page
                    self._patience.heard()
                    has_come = True
                    if page.after is None:
                        return
            except LimeDBError as failed:
                error = failed
            if not (has_come and error.may_pass):
                raise error
            self._patience.wait(error)

    def _write(self, item: Item) -> None:
        try:
            line = self._line(item)
        except BadItemError as error:
            self.progress.failed += 1
            self._report(error)
            return
        self._out.write(line)
        self.progress.written += 1

    def _line(self, item: Item) -> bytes:
        if self._form is Format.JSONL:
            return jsonl.write(item)
        if self._form is Format.CSV:
            return csv_file.write(item)
        return (b",\n" if self.progress.written else b"\n") + go_file.write(item)
