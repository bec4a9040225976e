"""Trees of earlier commits, each with a virtual environment of its own.

It owns where they are: build/upgrade, which is kept from run to run. It must never touch the own tree.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASES = "^Release "
"""How the subject of a release's commit begins."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree that can run nodes. commit: as it was asked for; empty: the own tree, as it is."""

    commit: str
    limedb: Path
    """The command of its virtual environment."""


def own_tree() -> Tree:
    """The tree that these tests are in."""
    return Tree("", Path(sys.executable).with_name("limedb"))


def last_release() -> str:
    """The commit of the last release."""
    return _git("log", "-1", "--format=%h", f"--grep={RELEASES}", "HEAD")


def tree_of(commit: str) -> Tree:
    """The tree of a commit, made if it isn't there: that takes minutes. CalledProcessError."""
    folder = ROOT / "build/upgrade" / _git("rev-parse", "--short=12", f"{commit}^{{commit}}")
    if not (folder / "Makefile").exists():
        _unpack(commit, folder)
    subprocess.run(["make", "--no-print-directory", "install"], cwd=folder, check=True)
    return Tree(commit, folder / ".venv/bin/limedb")


def _unpack(commit: str, folder: Path) -> None:
    """Write a commit's files into a new folder."""
    files = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
    folder.mkdir(parents=True)
    subprocess.run(["tar", "--extract"], cwd=folder, check=True, input=files.stdout)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()
