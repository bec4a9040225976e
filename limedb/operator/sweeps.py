"""A range of keys that is deleted from outside a node, page by page.

It owns the rule: it deletes a value only in the version that its scan saw, so it never deletes a later write.
It must never read a value.

Tested in tests/operator/test_sweeps.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from limedb.operator.calls import NodeClient
from limedb.operator.scans import ScanClient, ScanEntry, ScanPage, ScanRange

PAGE_SIZE = 500
"""Keys of a page, and of one batch of deletes."""


@dataclass(frozen=True, slots=True)
class Swept:
    """The outcome of a page of keys. changed: keys that were written or deleted meanwhile, and so were left
    alone. failed: keys that may still be there, with the reasons. after: the cursor behind them; None: they
    were the last ones.
    """

    deleted: int
    changed: int
    failed: tuple[tuple[str, LimeDBError], ...]
    after: str | None


def pages_of(
    scans: ScanClient, keys: ScanRange, after: str | None = None, level: Level | None = None
) -> Iterator[ScanPage]:
    """Yield the pages of a range, keys and versions only. level: LINEARIZABLE, which a scan can't be, counts
    as QUORUM.
    """
    asked = Level.QUORUM if level is Level.LINEARIZABLE else level
    return scans.scan(keys, after=after, keys_only=True, page_size=PAGE_SIZE, level=asked)


def sweep(
    scans: ScanClient,
    node: NodeClient,
    keys: ScanRange,
    after: str | None = None,
    level: Level | None = None,
) -> Iterator[Swept]:
    """Delete the keys of a range; yield the outcome of each page. after: the cursor of an earlier sweep. A
    call that fails as a whole raises an error of Caller: then the page may be deleted in part, and the sweep
    can continue with the cursor before it.
    """
    node.check_conditions()
    for page in pages_of(scans, keys, after, level):
        yield _delete(node, page.entries, page.after, level)


def _delete(node: NodeClient, entries: Sequence[ScanEntry], after: str | None, level: Level | None) -> Swept:
    if not entries:
        return Swept(0, 0, (), after)
    outcomes = node.delete_versions([(entry.key, entry.version) for entry in entries], level)
    errors = [(entry.key, error) for entry, error in zip(entries, outcomes, strict=True) if error]
    failed = tuple((key, error) for key, error in errors if error.reason != "CONDITION_FAILED")
    return Swept(len(entries) - len(errors), len(errors) - len(failed), failed, after)
