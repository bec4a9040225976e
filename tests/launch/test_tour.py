"""docs/tour.md, line by line, on a real cluster: each prints what stands behind it, or fails if it should."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clusters import COMMAND_SECONDS, QUICK, READY, limedb, print_logs
from tests.support.ports import free_ports

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
PATIENT = ("start", "restart", "remove")


def lines() -> Iterator[tuple[str, str]]:
    """The commands, each with what it prints; empty: anything."""
    for block in re.findall(r"^```\n(.*?)^```", TOUR.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            command, _, expected = line.partition("  # ")
            yield command.strip(), expected.strip()


def words(command: str, ports: tuple[int, ...]) -> list[str]:
    """A command, with other ports, more patience, and a cluster that notices a dead node sooner."""
    found = [part.replace("localhost:7001", f"127.0.0.1:{ports[1]}") for part in shlex.split(command)[1:]]
    if found[:2] == ["cluster", "start"] and "--nodes" in found:
        found += ["--port", str(ports[0]), "--base-port", str(ports[1])]
        found += [part for name, value in QUICK.items() for part in ("-e", f"{name}={value}")]
    if found[0] == "cluster" and found[1] in PATIENT:
        found += READY
    return found


@pytest.mark.cluster
def test_each_line_of_the_tour_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = list(lines())
    assert commands[0] == ("mkdir tour && cd tour", "")
    assert len(commands) > 25
    folder = tmp_path / "tour"
    folder.mkdir()
    with free_ports(5) as ports:
        monkeypatch.setenv("LIMEDB_TARGET", f"127.0.0.1:{ports[0]}")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        try:
            for command, expected in commands[1:]:
                done = subprocess.run(
                    [sys.executable, "-m", "limedb", *words(command, tuple(ports))],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=COMMAND_SECONDS,
                    check=False,
                )
                told = f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
                assert (done.returncode != 0) == (expected == "fails"), told
                assert expected in ("", "fails") or done.stdout.splitlines()[0] == expected, told
        except BaseException:
            print_logs(folder / "data" / "cluster")
            raise
        finally:
            limedb("cluster", "stop", "--data-dir", str(folder / "data" / "cluster"))
