from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from limedb.ports import Store
from tests.storage.disks import SmallDisk, mounted
from tests.storage.kinds import FILESYSTEM, LMDB, MEMORY, Kind


@pytest.fixture(params=[LMDB, MEMORY, FILESYSTEM], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
async def store(kind: Kind, tmp_path: Path) -> AsyncIterator[Store]:
    opened = kind.open(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk
