"""`limedb demo`: a cluster to look at, in one command.

It owns the sample keys, and ensures that nothing of the cluster outlives the command.

Tested in tests/cli/test_demo.py.
"""

import asyncio
import signal
import sys
import webbrowser
from pathlib import Path

import click

from limedb.cli.cluster_screen import show_places
from limedb.cli.numbers import Whole
from limedb.cli.options import command, ready_option
from limedb.launch import cluster as launcher
from limedb.launch import foreground
from limedb.launch.plan import MAX_NODES
from limedb.launch.records import Folder, Launch
from limedb.load.plan import LoadPlan, Mode
from limedb.load.runner import Runner
from limedb.load.target import grpc_target

SAMPLES = {"greeting": "hello", "settings/theme": '{"dark": true, "accent": "lime"}'} | {
    f"user/{number:03}": f'{{"name": "user {number}", "visits": {number * 7 % 50}}}' for number in range(100)
}
NODES = 3
"""The number of nodes, unless an option or an earlier demo sets another one."""
RATE = 20.0
"""Requests of the load a second: enough to be seen, and no burden."""
_CALL_SECONDS = 5.0


@command(
    "demo",
    examples="""
    limedb demo
    limedb demo --nodes 5
    """,
)
@click.option("--nodes", type=Whole(1, MAX_NODES), help=f"How many nodes.  [default: {NODES}]")
@click.option("--port", type=Whole(1, 65535), help="Envoy's port.  [default: 8484]")
@click.option("--base-port", type=Whole(1, 65535), help="The first node's port.  [default: 7001]")
@click.option(
    "--browser/--no-browser", default=True, help="Whether to open the dashboard.  [default: browser]"
)
@click.option(
    "--data-dir", default="data/demo", show_default=True, metavar="DIR", help="The cluster's folder."
)
@ready_option
def demo(
    nodes: int | None, port: int | None, base_port: int | None, browser: bool, data_dir: str, seconds: float
) -> None:
    """Start a cluster with sample keys and a mild load, and open its dashboard. Ctrl-C stops everything.

    The data stays in DIR, so that the next demo continues there. It is a cluster like any other: kill a node
    with `limedb cluster kill node2 --data-dir DIR`, and watch.
    """
    folder = Folder(Path(data_dir))
    first = None if folder.path.exists() else NODES
    try:
        with foreground.interruptible():
            plan = launcher.plan_start(folder, False, nodes=nodes or first, port=port, base_port=base_port)
            launch = launcher.start(plan, seconds)
    except KeyboardInterrupt:
        click.echo("interrupted; all started processes are stopped", err=True)
        sys.exit(130)
    try:
        _show(folder, launch, browser)
    finally:
        if folder.launch_file.exists():
            launcher.stop(folder, lambda line: click.echo(line, err=True))
    click.echo(f"stopped; its data is in {folder.path}")


def _show(folder: Folder, launch: Launch, browser: bool) -> None:
    """Fill the cluster, show it, and load it until a signal comes."""
    with asyncio.Runner() as loop:
        loop.run(_load(folder, launch, browser))


async def _load(folder: Folder, launch: Launch, browser: bool) -> None:
    target = launch.nodes[0].target
    load = LoadPlan(Mode.MIXED, None, None, workers=4, keys=200, value_size=64, prefix="load/", rate=RATE)
    async with grpc_target(target, None, _CALL_SECONDS, False) as cluster:
        runner = Runner(load, cluster, lambda _sample: _end_with(folder, runner))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, runner.stop.set)
        for key, value in SAMPLES.items():
            await cluster.write(key, value)
        await runner.fill()
        show_places(launch, click.echo)
        click.echo("Ctrl-C stops the demo.")
        if browser and launch.envoy:
            await asyncio.to_thread(webbrowser.open, f"{launch.envoy.url}/")
        await runner.run()


def _end_with(folder: Folder, runner: Runner) -> None:
    """Stop the load once `limedb cluster stop` has stopped the cluster."""
    if not folder.launch_file.exists():
        runner.stop.set()
