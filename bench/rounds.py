"""The rounds: each starts every system in turn, calls it in every way, and stops it."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from urllib.request import urlopen

from bench import names
from bench.clients import Opener
from bench.clients.loops import fill, operations_rate
from bench.clients.pacing import latencies, percentile
from bench.data import KEYS, dataset
from bench.load import rest_rate
from bench.processor import micros_of_one, used_seconds
from bench.results import Results
from bench.subjects import KEY, VALUE, Subject

OPERATIONS = ("get", "set")
_RATES = ("/s", "keys/s")
"""Units of measurements that have a warm-up, and of which the processor time is measured too."""


def run_rounds(subjects: Sequence[Subject], rounds: int, seconds: float, results: Results) -> None:
    """Measure every system that can run; note why the others can't."""
    present = [subject for subject in subjects if _is_present(subject, results)]
    for number in range(rounds):
        for subject in present:
            where = f"{subject.system.name}, round {number + 1}"
            note(f"{where} of {rounds}")
            with_system(subject, where, lambda s, w=where: _Round(s, w, seconds, results).run(), results)  # type: ignore[misc]


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _is_present(subject: Subject, results: Results) -> bool:
    if why := subject.system.missing():
        results.leave_out(subject.system.name, why)
    return not why


def with_system(subject: Subject, where: str, work: Callable[[Subject], None], results: Results) -> None:
    """Do something while the system runs. Note a failure as left out, under the name `where`."""
    try:
        subject.system.start()
        work(subject)
    except (SystemExit, Exception) as error:
        results.leave_out(where, _text(error))
    finally:
        subject.system.stop()


def _text(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


class _Round:
    """All measurements of a running system."""

    def __init__(self, subject: Subject, where: str, seconds: float, results: Results) -> None:
        self._subject = subject
        self._where = where
        self._seconds = seconds
        self._results = results
        self._values: Mapping[str, str] = dataset(KEYS)

    @property
    def _address(self) -> str:
        return self._subject.system.address

    def run(self) -> None:
        if self._subject.batches and not self._subject.missing_batches:
            fill(self._subject.batches, self._address, self._values)
        self._subject.verify(self._address)
        if self._subject.is_rest:
            self._measure(names.REST, "/s", self._rest)
        for operation in OPERATIONS:
            self._unary(operation)
            self._operations(operation)
        self._loop(
            names.IDEMPOTENT,
            "set",
            self._subject.idempotent,
            self._subject.missing_library,
            names.LIBRARY_CALLERS[0],
            1,
        )

    def _measure(self, what: str, unit: str, run: Callable[[], float]) -> float | None:
        """Measure, note and return a value; note a failure, so that the other measurements continue."""
        pids = self._subject.system.pids
        before = used_seconds(pids)
        try:
            value = run()
        except (SystemExit, Exception) as error:
            self._results.leave_out(f"{self._where}: {what}", _text(error))
            return None
        name = self._subject.system.name
        self._results.add(what, name, unit, value)
        if unit in _RATES:
            micros = micros_of_one(used_seconds(pids) - before, value, self._seconds)
            self._results.add(names.processor(what), name, "µs", micros)
        return value

    def _rest(self) -> float:
        url = f"http://{self._address}/api/v1/get/"
        with urlopen(f"{url}{KEY}", timeout=10) as answer:
            assert json.load(answer)["value"] == VALUE
        return rest_rate(f"{url}{KEY}", self._seconds, names.STREAMS)

    def _unary(self, operation: str) -> None:
        if not (measured := self._subject.unary.get(operation)):
            return
        self._measure(names.unary(operation), "/s", lambda: measured(self._address, self._seconds))
        for rate in names.RATES:
            self._latency(operation, rate)

    def _latency(self, operation: str, rate: int) -> None:
        taken: list[float] = []

        def median_of_all() -> float:
            wire = self._subject.wires[operation]()
            taken.extend(latencies(self._address, wire, rate, self._seconds))
            return percentile(taken, 0.5)

        if self._measure(names.latency(operation, rate, 50), "µs", median_of_all):
            self._measure(names.latency(operation, rate, 99), "µs", lambda: percentile(taken, 0.99))

    def _operations(self, operation: str) -> None:
        subject = self._subject
        if subject.is_rest:
            return
        self._loop(
            names.batches(operation),
            operation,
            subject.batches,
            subject.missing_batches,
            names.BATCH_CALLERS,
            names.BATCH,
        )
        for callers in names.LIBRARY_CALLERS:
            what = names.library(operation, callers)
            self._loop(what, operation, subject.library, subject.missing_library, callers, 1)

    def _loop(
        self, what: str, operation: str, opener: Opener | None, missing: str, callers: int, size: int
    ) -> None:
        if opener and missing:
            self._results.leave_out(f"{self._subject.system.name}: {what}", missing)
        elif opener:
            self._measure(
                what,
                "keys/s",
                lambda: operations_rate(
                    opener, self._address, operation, self._values, callers, size, self._seconds
                ),
            )
