"""A process that writes to a store until it is killed. Run: python child.py FOLDER acknowledged|break FLAG

acknowledged: prints each key when its write was acknowledged. break: makes FLAG, which breaks the disk
(`disks.EIO_SHIM`), between writes, and prints what happened as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path

from limedb.core.record import Record
from limedb.errors import StoreError
from limedb.storage.lmdb.store import LmdbStore


async def write_for_ever(store: LmdbStore) -> None:
    async def write(worker: int) -> None:
        for n in range(1_000_000):
            key = f"{worker}-{n}"
            await store.apply([Record(key, key, 1)], 1)
            print(key, flush=True)  # noqa: T201

    await asyncio.gather(*map(write, range(4)))


async def attempt(store: LmdbStore, key: str) -> str:
    try:
        await store.apply([Record(key, key, 1)], 1)
    except StoreError as error:
        return f"{type(error).__name__}: {error}"
    return "stored"


async def attempt_read(store: LmdbStore, key: str) -> str:
    try:
        return str(await store.get(key))
    except StoreError as error:  # after a failed write of its meta page, LMDB refuses reads too
        return type(error).__name__


async def break_the_disk(store: LmdbStore, flag: Path, told: list[str], is_told: asyncio.Event) -> None:
    found = {"before": await attempt(store, "before")}
    await asyncio.to_thread(flag.touch)
    found["broken"] = await attempt(store, "broken")
    await is_told.wait()
    await asyncio.to_thread(flag.unlink)
    found["after"] = await attempt(store, "after")
    found["read"] = await attempt_read(store, "after")
    await store.close()
    print(json.dumps({**found, "told": told}))  # noqa: T201


async def main(folder: Path, durability: str, flag: Path | None) -> None:
    told: list[str] = []
    is_told = asyncio.Event()

    def on_fatal(error: Exception) -> None:
        told.append(str(error))
        is_told.set()

    store = LmdbStore(folder, durability, on_fatal)
    if flag is None:
        await write_for_ever(store)
    else:
        await break_the_disk(store, flag, told, is_told)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if sys.argv[3:] else None))
