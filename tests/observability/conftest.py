"""Telemetry that samples every call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.observability.traced import LIMIT, SAMPLER, Bench
from tests.support.otlp import OtlpReceiver


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """Telemetry that samples every call, unless its caller has decided."""
    monkeypatch.setenv(SAMPLER, "parentbased_always_on")
    with OtlpReceiver() as receiver:
        made = Bench(receiver)
        async with asyncio.timeout(6 * LIMIT):
            yield made
            await made.spans()


@pytest.fixture
def otel_log() -> Iterator[list[str]]:
    """What OpenTelemetry logs, before anything is left out."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, logger = Keep(logging.WARNING), logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
