"""Runs the audits of `make check`, and says what came of each."""

import sys
from pathlib import Path

from tests.audit.audits import Outcome, accepted, npm, python

ROOT = Path(__file__).parents[2]


def main() -> int:
    """0: nothing is known of any dependency, or the database can't be reached; 1: something is."""
    exceptions = accepted((Path(__file__).parent / "exceptions.toml").read_text())
    outcomes: list[Outcome] = [
        *(python(ROOT / name) for name in ("requirements.lock", "requirements-run.lock")),
        *(
            npm(folder)
            for folder in sorted({ROOT / "web", ROOT / "examples" / "typescript"})
            if folder.is_dir()
        ),
    ]
    found = 0
    for outcome in outcomes:
        for line in outcome.lines(exceptions):
            sys.stdout.write(f"{line}\n")
        found += len(outcome.open(exceptions))
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
