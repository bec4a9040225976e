"""Damaged pages are found before LMDB maps them; what isn't found does no harm to anything but values."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random

import lmdb
import pytest

from limedb.errors import StoreDamagedError, StoreError
from limedb.storage.lmdb.pages import check_file
from tests.support.children import child

PAGE = 4096
CASES = int(os.environ.get("TORTURE_CASES", "300"))
DUMP = """
import json, sys, lmdb
for line in sys.stdin:
    with lmdb.open(line.strip(), map_size=1 << 30, max_dbs=4) as env:
        out = []
        for name in (b"main", b"tokens"):
            table = env.open_db(name)
            with env.begin(db=table) as txn:
                out.append([key.hex() for key in txn.cursor().iternext(values=False)])
                out[-1] = [key for key in out[-1] if txn.get(bytes.fromhex(key)) is not None]
                sum(len(value) for _, value in txn.cursor())
        with env.begin(write=True) as txn:
            for i in range(100):
                txn.put(b"more %d" % i, b"x" * 200, db=table)
    print(json.dumps(out), flush=True)
"""


def written(folder: Path, rng: Random, rounds: int = 6, keys: int = 200) -> bytes:
    """The file of some transactions that put, overwrite and delete, with large values too."""
    with lmdb.open(str(folder), map_size=1 << 30, max_dbs=4) as env:
        main, tokens = env.open_db(b"main"), env.open_db(b"tokens")
        for _ in range(rounds):
            with env.begin(write=True) as txn:
                for _ in range(keys):
                    key = b"key %d" % rng.randrange(3 * keys) * rng.randrange(1, 6)
                    size = rng.randrange(5000, 30000) if rng.random() < 0.03 else rng.randrange(120)
                    txn.put(key, rng.randbytes(size), db=main)
                    txn.put(rng.randbytes(8) + key, rng.randbytes(16), db=tokens)
                    txn.delete(b"key %d" % rng.randrange(3 * keys), db=main)
            assert check_file(folder / "data.mdb") is not None
    return (folder / "data.mdb").read_bytes()


def flip(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_head(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data) // PAGE) * PAGE + rng.randrange(64)] ^= 1 << rng.randrange(8)


def flip_meta(data: bytearray, rng: Random) -> None:
    data[rng.randrange(2) * PAGE + rng.randrange(152)] ^= 1 << rng.randrange(8)


def zero(data: bytearray, rng: Random) -> None:
    page = rng.randrange(len(data) // PAGE) * PAGE
    data[page : page + PAGE] = bytes(PAGE)


def swap(data: bytearray, rng: Random) -> None:
    a, b = (page * PAGE for page in rng.sample(range(len(data) // PAGE), 2))
    data[a : a + PAGE], data[b : b + PAGE] = data[b : b + PAGE], data[a : a + PAGE]


def cut(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(1, len(data)) :]


DAMAGES: tuple[Callable[[bytearray, Random], None], ...] = (flip, flip_head, flip_meta, zero, swap, cut)


class Reader:
    """A process that opens folders with LMDB, reads all keys and values, and writes some."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        running = child([sys.executable, "-c", DUMP], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process = self._stack.enter_context(running)

    def keys(self, folder: Path) -> list[list[str]]:
        """The keys of both tables. AssertionError: it crashed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"LMDB ended with {self._process.wait(30)}"
        tables: list[list[str]] = json.loads(line)
        return tables

    def close(self) -> None:
        self._stack.close()


@pytest.mark.process
@pytest.mark.parametrize("seed", range(2))
def test_what_the_check_passes_neither_crashes_lmdb_nor_lacks_keys(tmp_path: Path, seed: int) -> None:
    rng = Random(f"pages {seed}")
    good = written(tmp_path, rng)
    reader, found, folder = Reader(), 0, tmp_path / "damaged"
    folder.mkdir()
    (folder / "data.mdb").write_bytes(good)
    keys = reader.keys(folder)
    for case in range(CASES // 2):
        damage, data = DAMAGES[case % len(DAMAGES)], bytearray(good)
        damage(data, rng)
        (folder / "data.mdb").write_bytes(data)
        try:
            check_file(folder / "data.mdb")
        except StoreDamagedError:
            found += 1
            continue
        after = reader.keys(folder)
        changed = [{*a} ^ {*b} for a, b in zip(keys, after, strict=True)]
        # A bit in a key that keeps their order: one key for another, which the checksums of records tell.
        assert [*map(len, keys)] == [*map(len, after)], f"{damage.__name__} in case {case}"
        assert sum(map(len, changed)) in (0, 2), f"{damage.__name__} in case {case}"
    reader.close()
    assert found > CASES // 20


@pytest.mark.parametrize("damage", [zero, cut])
def test_any_page_in_use_that_is_zeroed_or_cut_off_is_found(
    tmp_path: Path, damage: Callable[[bytearray, Random], None]
) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 30, max_dbs=4) as env, env.begin(write=True) as txn:
        for i in range(500):
            txn.put(b"%06d" % i, b"x" * (9000 if i == 7 else 100), db=env.open_db(b"main", txn=txn))
    path = tmp_path / "data.mdb"
    good = path.read_bytes()  # one transaction: nothing is free
    for page in range(len(good) // PAGE):
        end = (page + 1) * PAGE if damage is zero else len(good)
        path.write_bytes(good[: page * PAGE] + bytes(PAGE if damage is zero else 0) + good[end:])
        is_inside_large_value = damage is zero and good[page * PAGE : page * PAGE + 8] == b"x" * 8
        if is_inside_large_value or not (page or damage is zero):  # an empty file is no file
            continue
        with pytest.raises(StoreDamagedError, match=r"data\.mdb is damaged: page"):
            check_file(path)


def first_page(data: bytes, flags: int) -> int:
    """Where the first page of that kind begins that has more than two nodes."""

    def number(at: int) -> int:
        return int.from_bytes(data[at : at + 2], "little")

    pages = range(2 * PAGE, len(data), PAGE)
    return next(at for at in pages if number(at + 10) == flags and number(at + 12) > 20)


@pytest.mark.parametrize(
    ("flags", "to", "of", "what"),
    [
        (2, 16, 18, "its nodes don't fill it without a gap"),  # a leaf's first node, and its second one again
        (1, 0, 0, "it is referred to twice"),  # a branch's second child, and its first one
    ],
)
def test_a_node_or_page_that_is_there_twice_is_found(
    tmp_path: Path, flags: int, to: int, of: int, what: str
) -> None:
    data = ordered(tmp_path)
    page = first_page(data, flags)
    if flags == 1:
        to, of = (int.from_bytes(data[page + at : page + at + 2], "little") for at in (18, 16))
    size = 2 if flags == 2 else 6
    data[page + to : page + to + size] = data[page + of : page + of + size]
    (tmp_path / "data.mdb").write_bytes(data)
    with pytest.raises(StoreDamagedError, match=what):
        check_file(tmp_path / "data.mdb")


def test_keys_out_of_order_are_found(tmp_path: Path) -> None:
    data = ordered(tmp_path)
    page = first_page(data, 2)
    data[page + 16 : page + 20] = data[page + 18 : page + 20] + data[page + 16 : page + 18]
    (tmp_path / "data.mdb").write_bytes(data)
    with pytest.raises(StoreDamagedError, match="its keys are not in order"):
        check_file(tmp_path / "data.mdb")


def ordered(folder: Path) -> bytearray:
    """A file of one transaction, all of whose pages are in use."""
    with lmdb.open(str(folder), map_size=1 << 30, max_dbs=4) as env, env.begin(write=True) as txn:
        for i in range(500):
            txn.put(b"%06d" % i, b"x" * 100, db=env.open_db(b"main", txn=txn))
    assert check_file(folder / "data.mdb") is not None
    return bytearray((folder / "data.mdb").read_bytes())


def test_the_older_of_two_meta_pages_never_passes_for_the_newer(tmp_path: Path) -> None:
    good = written(tmp_path, Random(1))
    path = tmp_path / "data.mdb"
    for page in range(2):
        for bit in range(64):
            data = bytearray(good)
            data[page * PAGE + 16 + 128 + bit // 8] ^= 1 << bit % 8  # the number of its transaction
            path.write_bytes(data)
            with pytest.raises(StoreDamagedError):
                check_file(path)


def test_no_file_and_an_empty_one_are_none_and_a_folder_is_an_error(tmp_path: Path) -> None:
    assert check_file(tmp_path / "data.mdb") is None
    (tmp_path / "data.mdb").touch()
    assert check_file(tmp_path / "data.mdb") is None
    with pytest.raises(StoreError, match="can't be read"):
        check_file(tmp_path)


@pytest.mark.parametrize("compact", [True, False])
def test_copies_and_emptied_tables_pass(tmp_path: Path, compact: bool) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 30, max_dbs=4) as env:
        assert check_file(tmp_path / "data.mdb") is not None
        with env.begin(write=True) as txn:
            table = env.open_db(b"main", txn=txn)
            for i in range(3000):
                txn.put(b"%d" % i, b"x" * 50, db=table)
        with env.begin(write=True) as txn:
            txn.drop(table, delete=False)
        assert check_file(tmp_path / "data.mdb") is not None
        (tmp_path / "copy").mkdir()
        env.copy(str(tmp_path / "copy"), compact=compact)
    assert check_file(tmp_path / "copy" / "data.mdb") is not None
