"""The audit log: who did what, as lines of JSON.

It owns the file and the form of a line. It must never make a request wait, nor hold a secret: it gets names,
never tokens.

Lines go through a queue (`log_queue.py`), so a slow disk costs lines, which are counted, and never time.
Of refusals at most MAX_REFUSALS a second are written, so that a stranger can't fill the disk; a line counts
the others.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, cast

from typing_extensions import override

from limedb.errors import ConfigError
from limedb.observability.log_queue import LogQueue
from limedb.observability.reopened import Reopened
from limedb.ports import NO_FACTS, Audit, Facts

MAX_REFUSALS = 100
"""The most refusals that are written in a second."""
OK = "OK"


class AuditLog(Audit):
    """Appends to a file, which only its owner may read if it is new. If the file was moved, it opens a new
    one. ConfigError: it can't be written.
    """

    def __init__(self, path: Path, node_url: str, wall_ms: Callable[[], int]) -> None:
        try:
            self._file = Reopened(path)
        except OSError as error:
            raise ConfigError("AUDIT_LOG", path, f"a file that can be written: {error.strerror}") from None
        self._queue = LogQueue(cast("TextIO", self._file), gap=self._gap)
        self._node_url, self._wall_ms = node_url, wall_ms
        self._second = self._refusals = self._left_out = 0

    @override
    def record(
        self, who: str, peer: str, what: str, subject: str, outcome: str, facts: Facts = NO_FACTS
    ) -> None:
        now = self._wall_ms()
        if outcome != OK and not self._has_room(now // 1000):
            self._left_out += 1
            return
        line = {"time": _time(now), "node": self._node_url, "who": who, "peer": peer, "what": what}
        if subject:
            line["subject"] = subject
        if self._left_out:
            self._queue.put(self._gap(self._left_out))
            self._left_out = 0
        self._queue.put(json.dumps(line | {"outcome": outcome, **facts}))

    def flush(self) -> None:
        """Write what waits, for a moment at most, and continue."""
        self._queue.flush()

    def close(self) -> None:
        """Write what waits, for a moment at most."""
        self._queue.close()
        self._file.close()

    def _gap(self, left_out: int) -> str:
        return json.dumps({"time": _time(self._wall_ms()), "node": self._node_url, "leftOut": left_out})

    def _has_room(self, second: int) -> bool:
        if second != self._second:
            self._second, self._refusals = second, 0
        self._refusals += 1
        return self._refusals <= MAX_REFUSALS


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
