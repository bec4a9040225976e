"""Checks the pages of an LMDB file, without LMDB: whether they are the trees that it wrote.

It owns the check of a file's structure before LMDB maps it. It must never change the file, map it, or judge
the content of keys and values.

LMDB trusts its file: a page that was zeroed, swapped, cut off or flipped ends in an assertion, SIGSEGV or
SIGBUS, or silently makes a tree that lacks keys. So the check reads each page that a tree refers to (then a
cut file and a disk's EIO are errors, not signals), which must match its place: its number, kind and depth;
nodes that tile the page exactly; keys in order, within the bounds of the branch above; a single reference,
and no entry in the free list; as many pages and entries as the table's record counts. The two meta pages must
be of neighbouring transactions, for LMDB takes the newer one, and a flipped number would bring the older tree
back.

Format: LMDB 0.9 (MDB_DATA_VERSION 1), 64 bits, little-endian, tables without duplicates.
"""

import os
from collections.abc import Callable
from operator import lt
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from limedb.errors import StoreDamagedError
from limedb.storage.files import store_error

_PAGE = Struct("<QHHHH")  # number, pad, flags, lower, upper
_NODE = Struct("<HHHH")  # of leaves: low and high half of the value's size, flags, size of the key
_META = Struct("<IIQQ48s48sQQ")  # magic, version, address, map size, free table, main table, last page, txn
_TABLE = Struct("<IHHQQQQQ")  # pad, flags, depth, pages of branches, leaves and overflow, entries, root
_U64 = Struct("<Q")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEADER, _NODE_HEADER = _PAGE.size, _NODE.size
_BRANCH, _LEAF, _OVERFLOW, _META_FLAG = 1, 2, 4, 8
_BIG, _TABLE_FLAG = 1, 2
_INTEGER_KEYS = 0x08
_NO_ROOT = (1 << 64) - 1
_MAX_KEY = 511
_MAX_DEPTH = 32  # LMDB's CURSOR_STACK
_METAS = 2
_SMALLEST_PAGE, _LARGEST_PAGE = 512, 1 << 16

Leaf = Callable[[bytes, bytes], None]
"""Called with the key and the value of a leaf's entry."""


class Meta(NamedTuple):
    """The content of a meta page."""

    page_size: int
    last_page: int
    txn: int
    free: bytes
    """The record of the free list."""
    main: bytes
    """The record of the list of tables."""


class _Table(NamedTuple):
    pad: int
    flags: int
    depth: int
    branches: int
    leaves: int
    overflows: int
    entries: int
    root: int


def check_file(path: Path) -> Meta | None:
    """Read all pages in use of an LMDB file, and return its newest meta page; None: there is no such file, or
    it is empty. Some 4 s for 1 GB of small records.

    StoreDamagedError: it isn't a file that LMDB wrote; the text names the page. StoreError: it can't be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            if not os.fstat(file.fileno()).st_size:
                return None
            return _File(path, file.fileno()).check()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error(f"{path} can't be read", error) from error


class _File:
    """One file, read page by page. used: a byte for each page that was seen."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path, self._fd = path, fd
        self._size = _SMALLEST_PAGE
        self._used = bytearray()
        self._last = 0

    def check(self) -> Meta:
        meta = self._newest()
        self._last, self._used = meta.last_page, bytearray(meta.last_page + 1)
        self._used[0] = self._used[1] = 1
        free = _Table._make(_TABLE.unpack(meta.free))
        main = _Table._make(_TABLE.unpack(meta.main))
        runs: list[bytes] = []
        _Tree(self, free, "the free list", lambda key, value: runs.append(value), is_free=True).check()
        _Tree(self, main, "the list of tables", None, has_tables=True).check()
        for run in runs:
            self._check_free(run)
        return meta

    def _newest(self) -> Meta:
        first = self._meta(0, 0)
        self._size = first.page_size
        second = self._meta(1, first.page_size)
        if second.page_size != first.page_size:
            raise self.damaged(1, "the meta pages differ in their page size")
        if first.txn + second.txn and (
            first.txn & 1 or not second.txn & 1 or abs(first.txn - second.txn) != 1
        ):
            raise self.damaged(0, f"meta pages of transactions {first.txn} and {second.txn}")
        return max(first, second, key=lambda meta: meta.txn)

    def _meta(self, number: int, at: int) -> Meta:
        data = os.pread(self._fd, _HEADER + _META.size, at)
        if len(data) < _HEADER + _META.size:
            raise self.damaged(number, "the file ends before it")
        found, _, flags, _, _ = _PAGE.unpack_from(data)
        magic, version, _, _, free, main, last, txn = _META.unpack_from(data, _HEADER)
        size = int(_TABLE.unpack(free)[0])
        is_size = _SMALLEST_PAGE <= size <= _LARGEST_PAGE and not size & (size - 1)
        if (found, flags, magic, version) != (number, _META_FLAG, _MAGIC, _VERSION) or not is_size:
            raise self.damaged(number, "it isn't a meta page")
        if last < 1 or last * size >= 1 << 47:
            raise self.damaged(number, f"it gives {last} as the last page")
        return Meta(size, last, txn, free, main)

    def page(self, number: int) -> bytes:
        """A page that a tree refers to; nothing else may refer to it. StoreDamagedError, OSError."""
        self.take(number)
        data = os.pread(self._fd, self._size, number * self._size)
        if len(data) < self._size:
            raise self.damaged(number, "the file ends before it")
        return data

    def take(self, number: int, count: int = 1) -> None:
        """Note that pages are in use. StoreDamagedError: they don't exist, or are in use already."""
        if not _METAS <= number <= self._last - count + 1:
            raise self.damaged(number, f"there are {self._last + 1} pages")
        if any(self._used[number : number + count]):
            raise self.damaged(number, "it is referred to twice")
        self._used[number : number + count] = b"\1" * count

    def overflow(self, number: int, size: int) -> tuple[int, bytes]:
        """How many pages a large value takes, and the value; size: its bytes."""
        if number > self._last:
            raise self.damaged(number, f"there are {self._last + 1} pages")
        head = os.pread(self._fd, _HEADER, number * self._size)
        if len(head) < _HEADER:
            raise self.damaged(number, "the file ends before it")
        found, _, flags, low, high = _PAGE.unpack(head)
        count = low | high << 16
        if found != number or flags != _OVERFLOW or count * self._size < _HEADER + size:
            raise self.damaged(number, "it doesn't begin the expected large value")
        self.take(number, count)
        value = os.pread(self._fd, size, number * self._size + _HEADER)
        if len(value) < size:
            raise self.damaged(number, "the file ends in its large value")
        return count, value

    def _check_free(self, run: bytes) -> None:
        """Check a run of free pages: their count, and their numbers."""
        count = _U64.unpack_from(run)[0] if len(run) >= _U64.size else _NO_ROOT
        if (count + 1) * _U64.size > len(run):
            raise self.damaged(0, "a run of its free list is longer than its bytes")
        for (number,) in _U64.iter_unpack(run[_U64.size : (count + 1) * _U64.size]):
            if not _METAS <= number <= self._last or self._used[number]:
                raise self.damaged(number, "it is both free and in use")
            self._used[number] = 1

    @property
    def page_size(self) -> int:
        return self._size

    def damaged(self, page: int, what: str) -> StoreDamagedError:
        return StoreDamagedError(f"{self._path} is damaged: page {page}: {what}")


class _Tree:
    """One table's tree. on_leaf: called with each entry; None if nobody needs them."""

    def __init__(
        self,
        file: _File,
        table: _Table,
        name: str,
        on_leaf: Leaf | None,
        *,
        is_free: bool = False,
        has_tables: bool = False,
    ) -> None:
        self._file, self._table, self._name, self._on_leaf = file, table, name, on_leaf
        self._is_free, self._has_tables = is_free, has_tables
        self._branches = self._leaves = self._overflows = self._entries = 0

    def check(self) -> None:
        """StoreDamagedError: it isn't whole."""
        table = self._table
        if table.flags & ~_INTEGER_KEYS or bool(table.flags & _INTEGER_KEYS) != self._is_free:
            raise self._file.damaged(0, f"{self._name} has the flags {table.flags:#x}")
        if table.root != _NO_ROOT:
            if not 1 <= table.depth <= _MAX_DEPTH:
                raise self._file.damaged(0, f"{self._name} has the depth {table.depth}")
            self._walk(table.root, 1, b"", None)
        counted = (self._branches, self._leaves, self._overflows, self._entries)
        recorded = (table.branches, table.leaves, table.overflows, table.entries)
        if counted != recorded or (table.root == _NO_ROOT and table.depth):
            what = "branches, leaves, overflow pages, entries"
            raise self._file.damaged(0, f"{self._name} has {counted} {what}, and should have {recorded}")

    def _walk(self, number: int, depth: int, low: bytes, high: bytes | None) -> None:
        """Check a page and all pages below it. low, high: its keys must be at least low, and below high."""
        page = self._file.page(number)
        found, _, flags, lower, upper = _PAGE.unpack_from(page)
        if found != number:
            raise self._file.damaged(number, f"page {found} is in its place")
        if flags != (_LEAF if depth == self._table.depth else _BRANCH):
            raise self._file.damaged(number, f"it has the flags {flags:#x} at depth {depth}")
        if not _HEADER <= lower <= upper <= len(page) or lower & 1:
            raise self._file.damaged(number, f"its free space is from {lower} to {upper}")
        places = [*memoryview(page)[_HEADER:lower].cast("H")]
        if not places or min(places) < upper or max(places) > len(page) - _NODE_HEADER:
            raise self._file.damaged(number, "its nodes are outside of it")
        check = self._leaf if flags == _LEAF else self._branch
        check(number, page, places, upper, depth, low, high)

    def _leaf(
        self,
        number: int,
        page: bytes,
        places: list[int],
        upper: int,
        depth: int,
        low: bytes,
        high: bytes | None,
    ) -> None:
        del depth
        read, ends, keys = _NODE.unpack_from, set[int](), list[bytes]()
        for at in places:
            size, high_size, flags, key_size = read(page, at)
            begin = at + _NODE_HEADER + key_size
            keys.append(page[at + _NODE_HEADER : begin])
            if flags or high_size or self._on_leaf:
                size = self._value(number, page, begin, flags, size | high_size << 16, keys[-1])
            ends.add(begin + size + (key_size + size & 1))
        self._check_tiles(number, places, ends, upper, len(page))
        self._check_keys(number, keys, low, high)
        self._leaves += 1
        self._entries += len(keys)

    def _value(self, number: int, page: bytes, begin: int, flags: int, size: int, key: bytes) -> int:
        """Check a value that isn't plain and small. Returns the bytes that it takes in its leaf."""
        if flags == _BIG:
            (first,) = _U64.unpack_from(page.ljust(len(page) + _U64.size, b"\0"), begin)
            count, value = self._file.overflow(first, size)
            self._overflows += count
            if self._on_leaf:
                self._on_leaf(key, value)
            return _U64.size
        value = page[begin : begin + size]
        if flags == _TABLE_FLAG and self._has_tables and len(value) == _TABLE.size:
            name = key.decode(errors="replace")
            _Tree(self._file, _Table._make(_TABLE.unpack(value)), f"table {name!r}", None).check()
        elif flags:
            raise self._file.damaged(number, f"a node has the flags {flags:#x}")
        elif self._on_leaf:
            self._on_leaf(key, value)
        return size

    def _branch(
        self,
        number: int,
        page: bytes,
        places: list[int],
        upper: int,
        depth: int,
        low: bytes,
        high: bytes | None,
    ) -> None:
        ends, keys, children = set[int](), list[bytes](), list[int]()
        for at in places:
            low_page, middle, top, key_size = _NODE.unpack_from(page, at)
            begin = at + _NODE_HEADER
            children.append(low_page | middle << 16 | top << 32)
            keys.append(page[begin : begin + key_size])
            ends.add(begin + key_size + (key_size & 1))
        self._check_tiles(number, places, ends, upper, len(page))
        if len(keys) > 1:
            self._check_keys(number, keys[1:], low, high)
        self._branches += 1
        bounds = [low, *keys[1:]]
        for i, child in enumerate(children):
            self._walk(child, depth + 1, bounds[i], bounds[i + 1] if i + 1 < len(bounds) else high)

    def _check_tiles(self, number: int, places: list[int], ends: set[int], upper: int, size: int) -> None:
        """Check that each node begins where another one ends: no gap, no overlap."""
        starts = set(places)
        if len(starts) != len(places) or ends != (starts - {upper}) | {size} or upper not in starts:
            raise self._file.damaged(number, "its nodes don't fill it without a gap")

    def _check_keys(self, number: int, keys: list[bytes], low: bytes, high: bytes | None) -> None:
        if self._is_free:  # 8 bytes each, in the machine's order of bytes
            keys, low = [key[::-1] for key in keys], low[::-1]
            high = None if high is None else high[::-1]
        is_ordered = all(map(lt, keys, keys[1:])) and keys[0] >= low and (high is None or keys[-1] < high)
        longest = max(map(len, keys))
        if not is_ordered or not keys[0] or longest > _MAX_KEY or (self._is_free and longest != _U64.size):
            raise self._file.damaged(number, "its keys are not in order")
