"""LimeDB beside bare echoes, etcd and Redis: one table, one JSON, one chart.

    python -m bench [--quick] [--docs]
    python -m bench --grpcio | --telemetry | --security | --scaling | --overload | --tail | --coordination

Real processes on loopback, on the disk of this folder; servers and clients share the cores. In each round
every system is started, called in every way, and stopped; figures are the medians of the rounds. No system
is faster by checking less: durability, quorum and validation are on, and answers are checked.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench import (
    chart,
    coordination,
    docs,
    footprint,
    growth,
    grpcio,
    joining,
    overload,
    scaling,
    security,
    table,
    tail,
    telemetry,
)
from bench.goals import outcomes
from bench.machine import describe
from bench.results import Results
from bench.rounds import note, run_rounds, with_system
from bench.subjects import all_subjects
from limedb.aio.grpc_poller import choose_poller

RESULTS = Path("bench/results.json")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. seconds: of each measurement; keys: how many there are."""

    rounds: int
    seconds: float
    growth: tuple[int, ...]
    footprint: int
    join: int
    joins: int


FULL = Sizes(5, 4.0, (10**3, 10**5, 10**7), 10**6, 10**6, 3)
QUICK = Sizes(2, 0.4, (10**3, 10**5), 20_000, 50_000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes; the figures are rough")
    parser.add_argument("--docs", action="store_true", help="put tables and chart into docs/")
    parser.add_argument("--rounds", type=int, help="how many rounds (default: 5, quick 2)")
    parser.add_argument("--seconds", type=float, help="of each measurement (default: 4, quick 0.4)")
    parser.add_argument("--only", default="", help="only systems with this in their names, and nothing else")
    parser.add_argument(
        "--grpcio", action="store_true", help="only the bare echo, with several lines of grpcio"
    )
    parser.add_argument("--telemetry", action="store_true", help="only nodes with telemetry off and on")
    parser.add_argument("--security", action="store_true", help="only nodes without and with TLS and tokens")
    parser.add_argument("--scaling", action="store_true", help="only nodes with 1, 2, 4 and 8 clients")
    parser.add_argument(
        "--overload", action="store_true", help="only nodes under three times the load that they carry"
    )
    parser.add_argument(
        "--coordination", action="store_true", help="only compare-and-set, transactions, a counter"
    )
    parser.add_argument("--tail", action="store_true", help="only the slowest Sets at fixed rates, by stage")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    rounds, seconds = options.rounds or sizes.rounds, options.seconds or sizes.seconds
    Path("build").mkdir(exist_ok=True)
    choose_poller()  # for the nodes and echoes that start below, and for the facts
    parts = {
        "grpcio": grpcio,
        "telemetry": telemetry,
        "security": security,
        "scaling": scaling,
        "overload": overload,
        "tail": tail,
        "coordination": coordination,
    }
    if alone := [part for name, part in parts.items() if getattr(options, name)]:
        print("\n\n".join(part.table(rounds, seconds) for part in alone))
        return
    with tempfile.TemporaryDirectory(dir="build", prefix="bench-") as name:
        folder = Path(name).resolve()
        facts = describe(folder)
        facts["made"] = f"{date.today()}, {rounds} rounds of {seconds:g} s for each figure"
        results = Results()
        subjects = [s for s in all_subjects(folder) if options.only in s.system.name]
        run_rounds(subjects, rounds, seconds, results)
        if not options.only:
            measure_sizes(folder, sizes, rounds, results)
    report(results, facts, options.docs)


def measure_sizes(folder: Path, sizes: Sizes, rounds: int, results: Results) -> None:
    """Measure the figures that depend on the number of keys."""
    for subject in all_subjects(folder / "empty"):
        alone = subject.batches and not subject.is_rest and not subject.missing_batches
        if alone and not subject.system.missing() and "3 nodes" not in subject.system.name:
            note(f"{sizes.footprint:,} keys: {subject.system.name}")
            with_system(
                subject,
                f"{subject.system.name}: footprint",
                lambda s: footprint.measure(s, sizes.footprint, results),
                results,
            )
    note("a Get with " + ", ".join(f"{count:,}" for count in sizes.growth) + " keys")
    _attempt("growth", lambda: growth.measure(folder / "growth", sizes.growth, rounds, results), results)
    for number in range(sizes.joins):
        note(f"join {number + 1} of {sizes.joins}: {sizes.join:,} keys")
        _attempt("join", lambda n=number: joining.measure(folder / f"join-{n}", sizes.join, results), results)  # type: ignore[misc]


def _attempt(name: str, work: Callable[[], None], results: Results) -> None:
    """Measure; note a failure as left out."""
    try:
        work()
    except (SystemExit, Exception) as error:
        results.leave_out(name, f"{type(error).__name__}: {error}")


def report(results: Results, facts: dict[str, str], into_docs: bool) -> None:
    """Print the tables, and write the JSON, and the docs if requested."""
    reached = list(outcomes(results))
    parts = [table.facts_list(facts), table.figures_table(results), table.left_out_list(results)]
    text = "\n\n".join(part for part in [*parts, table.goals_table(reached)] if part)
    print(text)
    goals = [
        {
            "goal": o.goal.text,
            "bound": o.goal.bound,
            "value": o.value,
            "span": [o.low, o.high],
            "verdict": o.verdict,
        }
        for o in reached
    ]
    content = {"facts": facts, **results.as_json(), "goals": goals}
    RESULTS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if into_docs:
        docs.write(text, chart.draw(results, f"Medians; lines: slowest to fastest round. {facts['made']}."))


if __name__ == "__main__":
    main()
