"""Several clients of a real node at once."""

import shutil
from pathlib import Path

import pytest

from bench import scaling
from bench.scaling import Point
from bench.systems.limedb import LimeDB


@pytest.mark.process
@pytest.mark.skipif(not shutil.which("h2load"), reason="needs h2load (`make system-tools`)")
def test_all_clients_are_answered_and_the_nodes_time_is_counted(tmp_path: Path) -> None:
    system = LimeDB(tmp_path, 1)
    try:
        system.start()
        point = scaling.measure(system, "Set", 2, 0.4)
    finally:
        system.stop()
    assert point.rate > 0
    assert point.micros > 0


def test_the_cores_that_nodes_keep_busy() -> None:
    assert Point(rate=10_000, micros=150).cores == 1.5
