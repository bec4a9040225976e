"""The node's log lines.

It owns the form of a line, as text or as JSON, and the destination. It must never import OpenTelemetry (the
trace id comes from a callable), and must never raise into the code that logs, nor make it wait, whatever
happens to the stream: a reader that stops reading loses lines, but doesn't stop a node (`log_queue.py`).
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from limedb.observability.log_queue import LogQueue

FACTS = "facts"
"""The attribute of a record (`extra`) with fields of its own for lines of JSON: a dict."""

TraceIds = Callable[[], "tuple[str, str] | None"]
"""Returns the ids of the current trace and span as 32 and 16 hex digits, or None outside of any."""


def configure_logging(
    level: str,
    fmt: str,
    node_url: str,
    stream: TextIO | None = None,
    trace_ids: TraceIds | None = None,
) -> None:
    """Send all logging of the process to a stream (standard error), from a level (as info) on.

    fmt: text or json. A second call replaces the settings of the first: so a node logs before its telemetry
    has started, and with trace ids afterwards.
    """
    root = logging.getLogger()
    for handler in [known for known in root.handlers if isinstance(known, QueueHandler)]:
        root.removeHandler(handler)
        handler.close()
    handler = QueueHandler(LogQueue(stream or sys.stderr))
    handler.setFormatter(JsonFormatter(node_url, trace_ids) if fmt == "json" else TextFormatter(trace_ids))
    root.addHandler(handler)
    root.setLevel(level.upper())
    # At debug level gRPC logs its event loop at each call.
    logging.getLogger("grpc").setLevel(max(logging.INFO, root.level))


class TextFormatter(logging.Formatter):
    """Lines for people: time, level, logger, message, and the trace id inside a trace.

    A message is one line whatever it contains; a traceback follows on separate lines.
    """

    def __init__(self, trace_ids: TraceIds | None = None) -> None:
        super().__init__()
        self._trace_ids = trace_ids

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        ids = self._trace_ids() if self._trace_ids else None
        text = message_of(record).replace("\r", "\\r").replace("\n", "\\n")
        line = f"{time_of(record)} {record.levelname:<7} {record.name} {text}"
        parts = [f"{line} trace={ids[0]}" if ids else line]
        if record.exc_info and record.exc_info[0]:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(record.stack_info)
        return "\n".join(parts)


class JsonFormatter(logging.Formatter):
    """Lines for machines: one object each, in ASCII.

    time, level, logger, message, nodeUrl; traceId and spanId inside a trace; the record's facts; exception
    {type, message, stack} and stack if the record has them.
    """

    def __init__(self, node_url: str, trace_ids: TraceIds | None = None) -> None:
        super().__init__()
        self._node_url, self._trace_ids = node_url, trace_ids

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message_of(record),
            "nodeUrl": self._node_url,
        }
        if self._trace_ids and (ids := self._trace_ids()):
            line["traceId"], line["spanId"] = ids
        line |= getattr(record, FACTS, {})
        return json.dumps(line | self._causes(record))

    def _causes(self, record: logging.LogRecord) -> dict[str, object]:
        causes: dict[str, object] = {}
        if record.exc_info and record.exc_info[0]:
            kind, error, _ = record.exc_info
            stack = self.formatException(record.exc_info)
            causes["exception"] = {"type": kind.__qualname__, "message": str(error), "stack": stack}
        if record.stack_info:
            causes["stack"] = record.stack_info
        return causes


class Throttle(logging.Filter):
    """Lets one record pass every so many seconds. The others are dropped."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds, self._clock = seconds, clock
        self._next = clock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


class Forward(logging.Handler):
    """Passes warnings and worse on to another logger, as warnings of one line."""

    def __init__(self, target: logging.Logger, prefix: str) -> None:
        super().__init__(logging.WARNING)
        self._target, self._prefix = target, prefix

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, without its traceback."""
        self._target.warning("%s: %s", self._prefix, message_of(record))


class QueueHandler(logging.Handler):
    """Formats a record in the thread that logs it, and hands its line to a queue."""

    def __init__(self, queue: LogQueue) -> None:
        super().__init__()
        self._queue = queue

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of a record."""
        try:
            self._queue.put(self.format(record))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Drop the line: a record that can't be formatted must not fail a request, and there is nowhere to
        report it.
        """

    def flush(self) -> None:
        """Wait until all lines are written, for a moment at most."""
        self._queue.flush()

    def close(self) -> None:
        """Write the waiting lines, and end the queue's thread."""
        self._queue.close()
        super().close()


def message_of(record: logging.LogRecord) -> str:
    """The message with its arguments; if they don't match, both side by side."""
    try:
        return record.getMessage()
    except Exception:  # any error of an argument's __str__
        return f"{record.msg} {record.args!r}"


def time_of(record: logging.LogRecord) -> str:
    """The time of a record: ISO 8601 in UTC, with milliseconds."""
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
