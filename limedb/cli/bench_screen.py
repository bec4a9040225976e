"""The output of `limedb bench`: a live table on a terminal, a line a second elsewhere, and the result.

Tested in tests/cli/test_bench.py.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from limedb.cli.output import echo, echo_json, printable, table
from limedb.load.histogram import Histogram
from limedb.load.plan import LoadPlan, Mode
from limedb.load.runner import Show
from limedb.load.tally import Sample, Tally

_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
_BAR = 40


@contextmanager
def live(plan: LoadPlan, to_stderr: bool) -> Iterator[Show]:
    """Return the function that shows samples during the block."""
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        yield lambda sample: click.echo(_line(sample), err=to_stderr)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream, no_color=bool(os.environ.get("NO_COLOR")))
    with Live(Text(f"{plan.mode} starts ..."), console=console, transient=True) as screen:
        yield lambda sample: screen.update(Text(_screen(plan, sample)), refresh=True)


def show_result(plan: LoadPlan, tally: Tally, as_json: bool) -> None:
    """Print the result, and each mismatch that was kept."""
    for mismatch in tally.shown:
        click.echo(f"MISMATCH {mismatch}", err=True)
    if as_json:
        echo_json(result(plan, tally))
        return
    rows: list[tuple[object, object]] = [
        ("mode", f"{plan.mode}, {plan.distribution}, seed {plan.seed}"),
        ("requests", f"{tally.operations:,} in {tally.seconds:.2f} s"),
        ("throughput", f"{tally.rate:,.0f}/s"),
        ("reads", f"{tally.reads:,}, of which {tally.missing:,} found nothing"),
        ("writes", f"{tally.writes:,}"),
        *_latencies(tally),
        ("errors", sum(tally.errors.values())),
    ]
    if plan.mode is Mode.COUNT:
        fewest, most = tally.fewest_and_most
        rows.append(("workers", f"{fewest:,} increments by the slowest, {most:,} by the fastest"))
    if plan.mode in (Mode.VERIFY, Mode.COUNT):
        rows.append(("verified", f"{tally.compared:,} values compared, {tally.mismatches:,} differ"))
    echo(table(("", ""), rows, with_header=False))
    for kind, count in tally.errors.most_common():
        echo(f"  {count:,} x {kind}: {printable(tally.examples[kind])}")
    for line in _bars(tally.times):
        echo(line)


def result(plan: LoadPlan, tally: Tally) -> dict[str, object]:
    """Return the result as JSON. Latencies are in milliseconds."""
    return {
        "mode": plan.mode,
        "distribution": plan.distribution,
        "seed": plan.seed,
        "concurrency": plan.workers,
        "keys": plan.keys,
        "valueSize": plan.value_size,
        "seconds": round(tally.seconds, 3),
        "requests": tally.operations,
        "requestsPerSecond": round(tally.rate, 1),
        "reads": tally.reads,
        "writes": tally.writes,
        "missing": tally.missing,
        "rate": plan.rate,
        "latencyMs": _milliseconds(tally.times),
        "readLatencyMs": _milliseconds(tally.read_times),
        "writeLatencyMs": _milliseconds(tally.write_times),
        **_workers(plan, tally),
        "errors": dict(tally.errors),
        "errorExamples": tally.examples,
        "compared": tally.compared,
        "mismatches": tally.mismatches,
        "shownMismatches": [
            {"key": one.key, "expected": one.expected, "found": one.found} for one in tally.shown
        ],
    }


def _latencies(tally: Tally) -> Iterator[tuple[str, str]]:
    """Yield rows: of reads and writes apart, if there are both."""
    if tally.reads and tally.writes:
        yield "of reads", _latency(tally.read_times)
        yield "of writes", _latency(tally.write_times)
    else:
        yield "latency", _latency(tally.times)


def _milliseconds(times: Histogram) -> dict[str, float]:
    shares = {name: times.percentile(share) / 1000 for name, share in _SHARES.items()}
    return {"mean": times.mean / 1000, **shares, "max": times.longest / 1000}


def _workers(plan: LoadPlan, tally: Tally) -> dict[str, object]:
    if plan.mode is not Mode.COUNT:
        return {}
    fewest, most = tally.fewest_and_most
    return {"fewestOfAWorker": fewest, "mostOfAWorker": most}


def _line(sample: Sample) -> str:
    bad = sum(sample.tally.errors.values())
    wrong = f", {sample.tally.mismatches} differ" if sample.tally.mismatches else ""
    return f"{sample.seconds:5.0f} s  {sample.rate:9,.0f}/s  {_latency(sample.recent)}, {bad} errors{wrong}"


def _screen(plan: LoadPlan, sample: Sample) -> str:
    of = f" of {plan.seconds:.0f}" if plan.seconds else ""
    head = f"{plan.mode}, {plan.distribution}, {plan.workers} at once; {sample.seconds:.0f}{of} s"
    count = f"{sample.tally.operations:,} requests"
    return "\n".join([head, count, _line(sample), *_bars(sample.tally.times)])


def _latency(times: Histogram) -> str:
    parts = [f"{name} {times.percentile(share) / 1000:.2f}" for name, share in _SHARES.items()]
    return f"{', '.join(parts)}, max {times.longest / 1000:.2f} ms"


def _bars(times: Histogram) -> Iterator[str]:
    """Yield the histogram, a line for each doubling of the latency."""
    for bound, count in times.doublings():
        share = count / times.count
        yield f"  < {bound / 1000:>10,.3f} ms  {count:>10,}  {'█' * round(share * _BAR)}"
