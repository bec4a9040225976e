"""A node's files, from their opening to their close.

It owns the order in which the files are opened and closed, and knows which of them a node can't do without.
It must never read their content.

Tested in tests/scenarios/test_disk_troubles.py.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from limedb.config import Config
from limedb.core.problems import Problem
from limedb.ports import HintLog, NodeFile, OperationLog, Store
from limedb.replication.change_log import ChangeLog
from limedb.storage.data_names import check_names, gone_data, has_data
from limedb.storage.data_watch import LOOK_SECONDS, DataWatch, data_of
from limedb.storage.go_data import GoFile, find_go_file
from limedb.storage.node_damage import damaged_before, prepare_node_file
from limedb.storage.node_file import JsonNodeFile, open_node_file
from limedb.storage.opening import (
    open_change_tail,
    open_hint_log,
    open_operation_log,
    open_store,
    side_files,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The open files of a node."""

    place: tuple[str, Path, str]
    """The kind of the store, the folder, and the node's URL."""
    inherited: GoFile | None
    """The data of a Go LimeDB to take over; None: there is none."""
    node_file: NodeFile
    store: Store
    hints: HintLog
    operations: OperationLog
    damaged: list[Path]
    """Data that was set aside because of damage, now or earlier."""
    gone: str
    """The remains of data that is gone, in words; empty: there are none."""
    fail: Callable[[Exception], None]
    """Stops the node."""

    def take_over_changes(self, changes: ChangeLog) -> None:
        """Continue the log of changes of the last run, so that watches can count on this node at once."""
        if (tail := open_change_tail(*self.place).take(self.store.high_water())) is not None:
            changes.take_over(tail)

    async def save_changes(self, changes: ChangeLog) -> None:
        """Save the log of changes for the next run, after the last write."""
        file = open_change_tail(*self.place)
        await asyncio.to_thread(file.save, changes.tail(), self.store.high_water())

    def watches(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The watches over the files. Without its data a node stops; it only reports the loss of hints."""
        needed = data_of(self.store.stats()) | {
            path: "without it retries of writes get an unknown outcome"
            for name, path in side_files(*self.place).items()
            if name == "operations"
        }
        watches: dict[str, Callable[[], Awaitable[None]]] = {
            "the watch over the data": DataWatch(needed, self.fail).run,
            "the watch over the hints": self._look_at_hints,
        }
        if isinstance(self.node_file, JsonNodeFile):
            watches["the watch over node.json"] = self.node_file.keep
        return watches

    def problems(self) -> Iterator[Problem]:
        """The problems of the files, for the operator."""
        for folder in self.damaged:
            text = f"damaged data of this node is in {folder}: remove it when it is no longer needed"
            yield Problem(text, is_private=True)
        for trouble in filter(None, (self.gone, self.hints.trouble)):
            yield Problem(trouble, is_private=True)

    async def _look_at_hints(self) -> None:
        while True:
            await asyncio.to_thread(self.hints.look)
            await asyncio.sleep(LOOK_SECONDS)


async def open_files(
    config: Config, now_ms: int, node_id: str, fail: Callable[[Exception], None], stack: AsyncExitStack
) -> NodeFiles:
    """Open a node's files. node_id: of the node, if it is new. stack: closes them.

    LimeDBError: they can't be used; what was opened is on the stack.
    """
    place = config.store, config.data_dir, config.node_url
    check_names(*place)
    has_run, gone = has_data(*place), gone_data(*place)
    if gone:
        log.warning("%s", gone)
    inherited = find_go_file(*place, now_ms, config.max_value_size)
    node_file = open_node_file(*place)
    await prepare_node_file(*place, node_file, node_id)
    store = open_store(*place, config.durability, fail)
    stack.push_async_callback(store.close)
    hints = open_hint_log(*place, has_run)
    stack.push_async_callback(hints.close)
    operations = open_operation_log(*place, config.durability, fail, has_run)
    stack.push_async_callback(operations.close)
    damaged = damaged_before(config.data_dir, config.node_url)  # includes damage found at this start
    return NodeFiles(place, inherited, node_file, store, hints, operations, damaged, gone, fail)
