"""`limedb bench`: arguments, signals and the exit code. Screens: bench_screen.py."""

import asyncio
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TextIO

import click

from limedb.cli import bench_screen as screen
from limedb.cli.codes import DIFFERENT, FAILED, IN_PART, INTERRUPTED, OK
from limedb.cli.numbers import Duration, Number, Whole
from limedb.cli.options import COUNT, SECONDS, command, consistency_option, target_option
from limedb.cli.output import JSON, TABLE, output_option
from limedb.cli.targets import as_url
from limedb.core.limits import MAX_STORED_VALUE
from limedb.core.node_urls import address_of
from limedb.core.quorum import Level
from limedb.errors import ConfigError, LimeDBError
from limedb.load.hgrm import hgrm
from limedb.load.plan import Distribution, LoadPlan, Mode
from limedb.load.runner import Runner, Show
from limedb.load.tally import Tally
from limedb.load.target import Target as LoadTarget
from limedb.load.target import grpc_target
from limedb.load.zipf import EXPONENT
from limedb.operator.cluster import cluster_client
from limedb.tls.target import Target

DEFAULT_SECONDS = 10.0
SMALLEST_VERIFIED = 16


@command(
    "bench",
    examples="""
    limedb bench
    limedb bench write --requests 100000 --concurrency 256 --value-size 1024
    limedb bench mixed --duration 30 --distribution zipfian --read-share 0.9
    limedb bench verify --duration 60 --consistency quorum
    limedb bench mixed --rate 5000 --warmup 5 --cleanup --hdr latency.hgrm
    limedb bench count --keys 1 --concurrency 8 --duration 10
    limedb bench read --rest --pin http://127.0.0.1:7002 -o json
    """,
)
@click.argument("mode", type=click.Choice([mode.value for mode in Mode]), default=Mode.MIXED.value)
@click.option("-n", "--requests", type=COUNT, help="How many requests. Default: until --duration is over.")
@click.option(
    "-d",
    "--duration",
    type=Duration(0.1, SECONDS.most),
    metavar="DURATION",
    help=f"How long. Default: {DEFAULT_SECONDS:.0f}, or until --requests are done.",
)
@click.option("-c", "--concurrency", default=64, show_default=True, type=Whole(1, 10_000))
@click.option("--keys", default=10_000, show_default=True, type=Whole(1, 100_000_000))
@click.option(
    "--value-size", default=100, show_default=True, type=Whole(1, MAX_STORED_VALUE), metavar="BYTES"
)
@click.option(
    "--distribution",
    type=click.Choice([kind.value for kind in Distribution]),
    default=Distribution.UNIFORM.value,
    show_default=True,
    help="How keys are chosen.",
)
@click.option("--exponent", default=EXPONENT, show_default=True, type=Number(0.01, 10))
@click.option("--read-share", default=0.5, show_default=True, type=Number(0, 1))
@click.option("--prefix", default="bench/", show_default=True, help="Begins each key.")
@click.option(
    "--seed",
    type=Whole(-(1 << 63), (1 << 64) - 1),
    help="Repeats the choices of an earlier run. Default: random.",
)
@click.option(
    "--rate",
    type=Number(0.001, 10_000_000),
    metavar="N",
    help="Begin so many requests a second, whether others are done or not; the latency of one counts from"
    " when it was due. Default: as many as --concurrency allows.",
)
@click.option(
    "--warmup",
    default=0.0,
    type=Duration(0, SECONDS.most),
    metavar="DURATION",
    help="How long not to count at first.",
)
@click.option("--cleanup", is_flag=True, help="Delete the keys in the end.")
@click.option(
    "--hdr",
    type=click.File("w", lazy=False),
    metavar="FILE",
    help="Write the latencies to a file that plotters of HdrHistogram read; - is stdout.",
)
@click.option("--rest", is_flag=True, help="Speak REST with Envoy at --target. Default: gRPC.")
@click.option(
    "--pin",
    metavar="NODE_URL",
    callback=lambda _context, _option, text: as_url(text) if text else text,
    help="Send all requests to this node. Default: to the keys' replicas.",
)
@consistency_option
@click.option(
    "--timeout", default=10.0, show_default=True, type=SECONDS, metavar="DURATION", help="Of each request."
)
@output_option(TABLE, TABLE, JSON)
@target_option
def bench(
    mode: str,
    requests: int | None,
    duration: float | None,
    concurrency: int,
    keys: int,
    value_size: int,
    distribution: str,
    exponent: float,
    read_share: float,
    prefix: str,
    seed: int | None,
    rate: float | None,
    warmup: float,
    cleanup: bool,
    hdr: TextIO | None,
    rest: bool,
    pin: str | None,
    level: Level | None,
    timeout: float,
    shape: str,
    target: Target,
) -> None:
    """Put load on a cluster: MODE is write, read, mixed (the default), verify or count.

    verify compares every value that it reads, and finally each key, with the value that was written; it exits
    with 5 if one differs. count adds to counters, which it sets to 0 first, and compares their sums at last;
    with --keys 1 all workers want the same one. With -o json the live lines go to stderr. The keys stay in
    the cluster without --cleanup.
    """
    if mode == Mode.VERIFY and value_size < SMALLEST_VERIFIED:
        raise click.UsageError(f"--value-size must be {SMALLEST_VERIFIED} or more to verify")
    plan = LoadPlan(
        mode=Mode(mode),
        requests=requests,
        seconds=duration or (None if requests else DEFAULT_SECONDS),
        workers=concurrency,
        keys=keys,
        value_size=value_size,
        distribution=Distribution(distribution),
        exponent=exponent,
        read_share=read_share,
        prefix=prefix,
        seed=random.randrange(1 << 32) if seed is None else seed,
        rate=rate,
        warmup=warmup,
    )
    target_made = _target(rest, target, pin, level, timeout, concurrency)
    tally, was_stopped = _run(plan, target_made, shape, cleanup)
    if hdr is not None:
        hdr.write(hgrm(tally.times))
    screen.show_result(plan, tally, shape == JSON)
    sys.exit(_code(tally, was_stopped))


def _run(
    plan: LoadPlan, target: AbstractAsyncContextManager[LoadTarget], shape: str, cleanup: bool
) -> tuple[Tally, bool]:
    with screen.live(plan, to_stderr=shape == JSON) as show, asyncio.Runner(loop_factory=_new_loop) as loop:
        return loop.run(_carry_out(plan, target, show, cleanup))


async def _carry_out(
    plan: LoadPlan, target: AbstractAsyncContextManager[LoadTarget], show: Show, cleanup: bool
) -> tuple[Tally, bool]:
    async with target as cluster:
        runner = Runner(plan, cluster, show)
        with _stopping(runner.stop):
            await runner.fill()
            await runner.run()
            if cleanup:
                await runner.clean()
        return runner.tally, runner.stop.is_set()


@contextmanager
def _stopping(stop: asyncio.Event) -> Iterator[None]:
    """During the block the first Ctrl-C stops the load, and a second one everything."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _target(
    rest: bool, target: Target, pin: str | None, level: Level | None, timeout: float, workers: int
) -> AbstractAsyncContextManager[LoadTarget]:
    """Return the target of the load. ConfigError: --pin is not a URL. LimeDBError: a library is missing."""
    try:
        own = address_of(pin) if pin else ""
    except ValueError as allowed:
        raise ConfigError("--pin", pin, str(allowed)) from None
    if not rest:
        asked = target.at(_advertised(pin, target, timeout) or own) if pin else target
        return grpc_target(asked, level, timeout, bool(pin))
    try:
        from limedb.load.rest import rest_target
    except ImportError:
        raise LimeDBError("--rest needs aiohttp: run `pip install 'limedb[bench]'`") from None
    return rest_target(target, level, timeout, pin or "", workers)


def _advertised(node_url: str, target: Target, timeout: float) -> str:
    """Return the host:port at which a node can be reached, as the cluster at target reports it; empty: it
    doesn't know.
    """
    try:
        with cluster_client(target, timeout) as cluster:
            members = cluster.state()["members"]
    except LimeDBError:
        return ""
    return next((str(member["address"]) for member in members if member["url"] == node_url), "")


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop  # only once the options are known to be right

    return uvloop.new_event_loop()


def _code(tally: Tally, was_stopped: bool) -> int:
    if tally.mismatches:
        return DIFFERENT
    if was_stopped:
        return INTERRUPTED
    if not tally.errors:
        return OK
    return IN_PART if tally.operations else FAILED
