"""Data that is taken away from under a running node. Tests limedb/storage/held_file.py."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from limedb.storage.data_watch import DataWatch, data_of
from limedb.storage.write_ahead_log import newest_segment
from tests.storage.kinds import NOW, open_lmdb, text


def _cut(folder: Path) -> None:
    with (folder / "data.mdb").open("r+b") as file:
        file.truncate(4096)


def _move(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def _replace(folder: Path) -> None:
    _move(folder)
    folder.mkdir()
    (folder / "data.mdb").write_bytes((folder.with_name("moved") / "data.mdb").read_bytes())


def _remove_log(folder: Path) -> None:
    (folder / f"log-{newest_segment(folder):010}").unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_move, "before the next start; without it the node starts empty"),
        (_replace, "before the next start"),
        (_cut, r"data.mdb was cut from \d+ to 4096 bytes"),
        (_remove_log, "log-.* is gone: it was moved or deleted"),
    ],
)
async def test_data_that_is_gone_replaced_or_cut_is_reported(
    harm: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    store, stood = open_lmdb(tmp_path / "n.lmdb"), tmp_path / "copy.lmdb"
    await store.apply([text("a")], NOW)
    shutil.copytree(tmp_path / "n.lmdb", stood)  # no store maps it: a file that is cut kills its reader
    watched = data_of(replace(store.stats(), path=str(stood)))
    await store.close()
    lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
    watch = DataWatch(watched, lambda error: lost.done() or lost.set_result(error))
    harm(stood)
    running = asyncio.create_task(watch.run())
    error = await asyncio.wait_for(lost, 60)
    running.cancel()
    with pytest.raises(type(error), match=said):
        raise error
