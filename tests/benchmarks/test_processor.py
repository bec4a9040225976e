"""Processor time of real processes."""

import subprocess
import sys

import pytest

from bench.processor import micros_of_one, used_seconds, warm_up_seconds

WORK = """
import sys, time
while time.process_time() < float(sys.argv[1]):
    pass
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.process
def test_it_is_what_the_processes_used_together() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", WORK, seconds], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for seconds in ("0.2", "0.3")
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == b"done\n"
        assert 0.45 <= used_seconds(process.pid for process in started) < 1.5
    finally:
        for process in started:
            process.communicate()


@pytest.mark.parametrize("seconds", [0.4, 2.0, 8.0])
def test_the_warm_up_counts_on_both_sides(seconds: float) -> None:
    used = 1e-4 * 1000 * (seconds + warm_up_seconds(seconds))  # 100 µs for each of 1,000/s
    assert micros_of_one(used, 1000, seconds) == pytest.approx(100)
