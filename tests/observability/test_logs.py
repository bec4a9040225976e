"""Log lines as people and machines read them."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from limedb.observability.logs import Forward, JsonFormatter, TextFormatter, Throttle, configure_logging

NODE = "http://node1:8484"


@pytest.fixture(autouse=True)
def _root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def written(stream: io.StringIO) -> str:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return stream.getvalue()


def _fail() -> None:
    raise ValueError("bad\nnews")


def test_text_line_has_time_level_logger_and_message(stream: io.StringIO) -> None:
    configure_logging("info", "text", NODE, stream)
    logging.getLogger("limedb.node").warning("peer %s is gone", "http://node2:8484")
    line = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING limedb\.node peer http://node2:8484 is gone\n"
    assert re.fullmatch(line, written(stream))


def test_text_line_has_the_trace_only_inside_of_one(stream: io.StringIO) -> None:
    current: list[tuple[str, str] | None] = [None]
    configure_logging("info", "text", NODE, stream, lambda: current[0])
    logging.getLogger("limedb").info("outside")
    current[0] = ("ab" * 16, "cd" * 8)
    logging.getLogger("limedb").info("inside")
    outside, inside = written(stream).splitlines()
    assert outside.endswith("limedb outside")
    assert inside.endswith(f"limedb inside trace={'ab' * 16}")


def test_text_message_cannot_forge_a_second_line(stream: io.StringIO) -> None:
    configure_logging("info", "text", NODE, stream)
    logging.getLogger("limedb").info("key %s", "a\nERROR b\r")
    assert written(stream).endswith("key a\\nERROR b\\r\n")
    assert written(stream).count("\n") == 1


def test_text_traceback_follows_the_line(stream: io.StringIO) -> None:
    configure_logging("info", "text", NODE, stream)
    try:
        _fail()
    except ValueError:
        logging.getLogger("limedb").exception("it broke", stack_info=True)
    text = written(stream)
    assert "it broke\nTraceback" in text
    assert "ValueError: bad" in text
    assert "Stack (most recent call last)" in text


def test_json_line_is_one_object(stream: io.StringIO) -> None:
    configure_logging("info", "json", NODE, stream)
    logging.getLogger("limedb.node").info("key %r \ud800 ü\nnew line", "k")
    line = json.loads(written(stream))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "limedb.node",
        "message": "key 'k' \ud800 ü\nnew line",
        "nodeUrl": NODE,
    }
    assert written(stream).count("\n") == 1


def test_json_line_has_trace_and_span_ids(stream: io.StringIO) -> None:
    configure_logging("info", "json", NODE, stream, lambda: ("ab" * 16, "cd" * 8))
    logging.getLogger("limedb").info("hello")
    line = json.loads(written(stream))
    assert (line["traceId"], line["spanId"]) == ("ab" * 16, "cd" * 8)


def test_json_exception_stays_on_the_line(stream: io.StringIO) -> None:
    configure_logging("info", "json", NODE, stream)
    try:
        _fail()
    except ValueError:
        logging.getLogger("limedb").exception("it broke", stack_info=True)
    [text] = written(stream).splitlines()
    line = json.loads(text)
    assert line["exception"]["type"] == "ValueError"
    assert line["exception"]["message"] == "bad\nnews"
    assert "_fail()" in line["exception"]["stack"]
    assert "Stack" in line["stack"]


def test_exc_info_without_an_exception_is_a_plain_line(stream: io.StringIO) -> None:
    configure_logging("info", "json", NODE, stream)
    logging.getLogger("limedb").error("nothing raised", exc_info=True)  # noqa: LOG014 (the fault meant)
    assert "exception" not in json.loads(written(stream))


def test_below_the_level_nothing_is_logged(stream: io.StringIO) -> None:
    configure_logging("warning", "text", NODE, stream)
    logging.getLogger("limedb").info("too little")
    assert written(stream) == ""


def test_second_call_replaces_the_first(stream: io.StringIO) -> None:
    later = io.StringIO()
    configure_logging("info", "text", NODE, stream)
    configure_logging("info", "json", NODE, later)
    logging.getLogger("limedb").info("once")
    assert written(stream) == ""
    assert json.loads(written(later))["message"] == "once"


def test_closed_stream_does_not_raise(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logging("info", "text", NODE, stream)
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    logging.getLogger("limedb").error("nobody hears this")


def test_broken_pipe_does_not_raise() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    configure_logging("info", "json", NODE, Gone())
    logging.getLogger("limedb").error("nobody hears this")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter(NODE)])
def test_arguments_that_do_not_fit_are_shown(formatter: logging.Formatter) -> None:
    line = formatter.format(logging.makeLogRecord({"msg": "%d keys", "args": ("many",)}))
    assert "%d keys ('many',)" in line


def test_throttle_lets_one_record_pass_a_minute() -> None:
    now = [0.0]
    throttle = Throttle(60.0, lambda: now[0])
    record = logging.makeLogRecord({"msg": "collector is gone"})
    passed = []
    for second in range(0, 181, 10):
        now[0] = float(second)
        passed.append(throttle.filter(record))
    assert [second * 10 for second, passes in enumerate(passed) if passes] == [0, 60, 120, 180]


def test_forwarded_warning_is_one_line_without_traceback(caplog: pytest.LogCaptureFixture) -> None:
    noisy = logging.Logger("noisy")  # noqa: LOG001 (one of no hierarchy)
    noisy.addHandler(Forward(logging.getLogger("limedb.telemetry"), "telemetry is disturbed"))
    noisy.info("left out")
    try:
        _fail()
    except ValueError:
        noisy.exception("export failed")
    assert [(r.name, r.levelname, r.getMessage(), r.exc_info) for r in caplog.records] == [
        ("limedb.telemetry", "WARNING", "telemetry is disturbed: export failed", None)
    ]
