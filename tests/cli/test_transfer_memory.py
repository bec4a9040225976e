"""Imports and exports take no more memory for more keys."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_transfer import HIGH_WATER, write_jsonl


def most_memory(*arguments: str) -> int:
    """The most memory of a command that succeeds, in KiB."""
    done = subprocess.run(
        [sys.executable, "-c", HIGH_WATER, *arguments],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split("VmHWM:")[1].split()[0])


@pytest.mark.long
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_memory_does_not_grow_with_the_number_of_keys(fresh: str, tmp_path: Path, ending: str) -> None:
    peaks = {}
    for count in (20_000, 200_000):
        source, copy = tmp_path / f"{count}.{ending}", tmp_path / f"{count}-copy.{ending}"
        if ending == "jsonl":
            write_jsonl(source, count, 120)
        else:
            source.write_text(json.dumps({f"key/{n:07d}": "v" * 120 for n in range(count)}))
        peaks[count, "import"] = most_memory("import", str(source), "--target", fresh)
        peaks[count, "export"] = most_memory("export", str(copy), "--target", fresh)
        assert copy.stat().st_size > count * 120
    for what in ("import", "export"):  # the larger file alone is over 26 MiB
        assert peaks[200_000, what] - peaks[20_000, what] < 13 << 10, peaks
