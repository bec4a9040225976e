"""Runs the audits of `make check`, and says what came of each."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.audit.audits import Outcome, accepted, npm, python

ROOT = Path(__file__).parents[2]


def main() -> int:
    """0: nothing is known of any dependency, or the database can't be reached; 1: something is."""
    exceptions = accepted((Path(__file__).parent / "exceptions.toml").read_text())
    with ThreadPoolExecutor() as pool:  # they mostly wait
        asked = [
            pool.submit(python, ROOT / "requirements.lock"),
            *(pool.submit(npm, ROOT / folder) for folder in ("web", "examples/typescript")),
        ]
        outcomes: list[Outcome] = [each.result() for each in asked]
    found = 0
    for outcome in outcomes:
        for line in outcome.lines(exceptions):
            sys.stdout.write(f"{line}\n")
        found += len(outcome.open(exceptions))
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
