"""`limedb top`: the nodes and their rates, live on a terminal, sample by sample elsewhere.

Tested in tests/cli/test_terminal.py and tests/cli/test_commands.py.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import click

from limedb.aio.retrying import Patience
from limedb.cli.numbers import Duration
from limedb.cli.options import COUNT, command, patience_option, target_option
from limedb.cli.output import JSON, RAW, TABLE, echo, echo_json, output_option, show_rows, size, table
from limedb.errors import LimeDBError, UnavailableError
from limedb.operator.cluster import ClusterSample, NodeSample, cluster_client
from limedb.operator.silence import no_data
from limedb.tls.target import Target

LATE_SECONDS = 5.0
"""A sample may be this late, at most; then the command asks again."""
_CLEAR = "\x1b[H\x1b[J"
_COLUMNS = (
    "NODE", "STATUS", ">KEYS", ">OWNS", ">REQ/S", ">GET/S", ">SET/S", ">DEL/S", ">MEAN MS", ">ERRORS",
    ">CPU %", ">MEMORY", ">DISK",
)  # fmt: skip


@command(
    "top",
    examples="""
    limedb top
    limedb top -n 1
    limedb top --interval 5 -o json >> samples.jsonl
    """,
)
@click.option("--interval", default=1.0, show_default=True, metavar="DURATION", type=Duration(0.1, 30))
@click.option("-n", "--count", type=COUNT, help="Stop after so many samples. Default: never.")
@output_option(TABLE)
@target_option
@patience_option
def top(interval: float, count: int | None, shape: str, target: Target, patience: float) -> None:
    """Show the nodes and their rates until Ctrl-C: live on a terminal, elsewhere sample by sample.

    -o raw prints a line for each node, which begins with the sample's time in seconds since 1970.
    """
    live = shape == TABLE and sys.stdout.isatty()
    with cluster_client(target, patience) as node:
        late = min(patience, LATE_SECONDS)
        samples = _lasting(lambda: node.watch(round(interval * 1000), late), Patience(patience))
        for sample in islice(_paced(samples, interval), count):
            if shape == JSON:
                echo_json(sample.as_view, None)
            elif shape == RAW:
                show_rows(shape, _COLUMNS, [(round(sample.time), *_row(node)) for node in sample.nodes])
            else:
                echo(_CLEAR * live + _screen(sample) + "\n" * (not live))
            sys.stdout.flush()


def _lasting(watch: Callable[[], Iterator[ClusterSample]], patience: Patience) -> Iterator[ClusterSample]:
    """Yield samples, even if the node that sends them goes away for a while."""
    has_come = False
    while True:
        error: LimeDBError = UnavailableError("the stream of samples ended")
        try:
            for sample in watch():
                patience.heard()
                has_come = True
                yield sample
        except LimeDBError as failed:
            error = failed
        if not (has_come and error.may_pass):
            raise error
        patience.wait(error)


def _paced(samples: Iterable[ClusterSample], interval: float) -> Iterator[ClusterSample]:
    """Yield one sample an interval; a node sends more when something changes."""
    last = float("-inf")
    for sample in samples:
        if sample.time - last >= interval * 0.9:
            last = sample.time
            yield sample


def _screen(sample: ClusterSample) -> str:
    moment = time.strftime("%H:%M:%S", time.localtime(sample.time))
    loads = [node.load for node in sample.nodes if node.load and node.is_known]
    total = sum(load.requests_per_second for load in loads)
    active = sum(node.condition == "active" for node in sample.members)
    head = (
        f"{moment}  epoch {sample.epoch} ({sample.phase}), {active} of {len(sample.members)} nodes active,"
        f" {total:,.0f} requests/s, as {sample.node_url} sees it"
    )
    change = f"\nrunning: {sample.change}" if sample.change else ""
    silent = "".join(f"\n! {node.url}: {words}" for node in sample.nodes if (words := _silence(sample, node)))
    return f"{head}{change}\n{table(_COLUMNS, [_row(node) for node in sample.nodes])}{silent}"


def _silence(sample: ClusterSample, node: NodeSample) -> str:
    """Why a row has no figures; empty: it has some."""
    return "" if node.is_known else no_data(sample.time, node.lag)


def _row(node: NodeSample) -> tuple[object, ...]:
    status = node.condition if node.standing else f"{node.condition}, no member"
    known = (node.url, status, node.keys if node.is_known else "-", f"{node.share:.1%}")
    if (load := node.load) is None or not node.is_known:
        return (*known, *["-"] * 9)
    return (
        *known,
        load.requests_per_second, load.gets_per_second, load.sets_per_second, load.dels_per_second,
        f"{load.average_latency_ms:.2f}", f"{load.error_rate:.1%}", load.cpu_percent,
        size(load.memory_bytes), size(load.disk_bytes),
    )  # fmt: skip
