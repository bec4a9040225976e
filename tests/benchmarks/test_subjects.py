"""The systems of the benchmark, before any of them is started."""

from pathlib import Path

from bench.subjects import all_subjects


def test_each_system_has_an_address(tmp_path: Path) -> None:
    addresses = [subject.system.address for subject in all_subjects(tmp_path)]
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    assert len(addresses) == 8
