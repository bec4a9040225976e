"""The process of a node: from the first signal handler to the last resort.

It owns the order of a process's start and stop, and the retries with a new node. It must never know the parts
of a node.

Tested in tests/scenarios/test_stopping.py and tests/scenarios/test_damaged_files.py.
"""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random

import uvloop

from limedb.aio.last_resort import LastResort
from limedb.aio.last_words import leave_last_words
from limedb.aio.stop_signals import StopSignals
from limedb.cluster.topology.store import new_id
from limedb.config import Config
from limedb.core.stop_limits import LAST_SECONDS, drain_seconds
from limedb.errors import LimeDBError, StoreDamagedError
from limedb.node.node import Node
from limedb.observability.logs import configure_logging
from limedb.rpc.server.connections import raise_descriptor_limit
from limedb.storage.node_damage import replace_damaged, replace_removed

log = logging.getLogger(__name__)

LAST_SECONDS_OF_A_START = 5.0
"""How long a stop may take while the node starts: it has no requests to finish."""
SWITCH_SECONDS = 0.0005
"""How long a busy event loop may keep the interpreter's lock from the thread that writes to the disk.
Python's default of 5 ms would be most of a commit's time.
"""
GARBAGE_AFTER = 20_000
"""Objects made before the collector checks the young ones: far more than Python's 700, since a request leaves
few cycles, and a thousand concurrent requests keep many objects that aren't garbage yet.
"""


def run(config: Config) -> None:
    """Run a node until SIGTERM or SIGINT. LimeDBError: it could not start, or had to stop."""
    last = LastResort(LAST_SECONDS_OF_A_START)
    signals = StopSignals(last)
    configure_logging(config.log_level, config.log_format, config.node_url)
    sys.setswitchinterval(SWITCH_SECONDS)
    raise_descriptor_limit()
    leave_last_words()
    uvloop.run(_run(config, last, signals))


def _spare_collector() -> None:
    """Exempt the node's permanent objects from garbage collection: a full pass would check all of them, and
    delay requests for some ten milliseconds.
    """
    gc.set_threshold(GARBAGE_AFTER, 20, 20)
    gc.collect()
    gc.freeze()


async def _run(config: Config, last: LastResort, signals: StopSignals) -> None:
    """Run a node; each time its cluster has removed it, start it again with its data set aside."""
    try:
        while await _run_or_replace(config, last, signals):
            last.call_off()
            moved = await replace_removed(config.store, config.data_dir, config.node_url, new_id(Random()))
            log.warning(
                "this node was removed from its cluster; its data is in %s, it joins as a new node", moved
            )
    finally:
        last.begin()  # the rest of the process may hang, too


async def _run_or_replace(config: Config, last: LastResort, signals: StopSignals) -> bool:
    """As _run_once. If the data is found damaged at the start, and other members have all of it, the data is
    set aside and the node runs as a new one. StoreDamagedError: no other node is known to have it.
    """
    try:
        return await _run_once(config, last, signals)
    except StoreDamagedError as error:
        moved = await replace_damaged(config.store, config.data_dir, config.node_url, error, new_id(Random()))
        log.error(
            "%s; its data is set aside in %s, and this node joins its cluster as a new one: it gets its share"
            " of the keys from the others", error, moved,
        )  # fmt: skip
    return await _run_once(config, last, signals)


async def _run_once(config: Config, last: LastResort, signals: StopSignals) -> bool:
    """Run a node until it stops. True: it was removed from its cluster."""
    node, loop = Node(config, Random()), asyncio.get_running_loop()
    last.seconds = LAST_SECONDS_OF_A_START
    signals.subscribe(lambda: _call(loop, node.ask_to_stop))
    starting = asyncio.create_task(node.start())
    stopping = asyncio.create_task(node.wait_stopped())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        last.begin()
        starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    if starting.cancelled() or starting.exception() is not None:
        stopping.cancel()
        await asyncio.wait((stopping,))
    if starting.cancelled():
        return False
    starting.result()
    last.seconds = LAST_SECONDS
    _spare_collector()
    await stopping
    await _stop(node, last, drain_seconds(config.max_clock_skew))
    if node.failure is not None:
        raise LimeDBError(f"the node had to stop: {node.failure}") from node.failure
    return node.is_removed and not signals.is_asked


async def _stop(node: Node, last: LastResort, drain: float) -> None:
    """Stop a node in two steps, each within its time. drain: seconds that the first one takes at most."""
    for seconds, step in (
        (drain + LAST_SECONDS, node.wait_watchable),
        (LAST_SECONDS, node.stop),
    ):
        last.call_off()
        last.seconds = seconds
        last.begin()
        await step()


def _call(loop: asyncio.AbstractEventLoop, hear: Callable[[], None]) -> None:
    """Make a loop call a function, from another thread."""
    with suppress(RuntimeError):  # it was closed: everything has stopped
        loop.call_soon_threadsafe(hear)
