"""The values of a transaction: its steps and its results.

It owns these values. It must never judge or carry out one: `replication/groups` does.

Tested in tests/replication/groups/test_operation.py.
"""

from typing import NamedTuple

from limedb.core.record import Record


class StepOutcome(NamedTuple):
    """The result of a step. existed: whether the key had a value before. answer: of an edit; None: it has
    none. found: the record of a value that was read; None: there is no value, or the step isn't a read.
    """

    existed: bool
    answer: str | bytes | None = None
    found: Record | None = None


class Judged(NamedTuple):
    """The answer to a transaction. succeeded: whether all comparisons held. steps: the results of the steps
    that were taken, in their order.
    """

    succeeded: bool
    steps: tuple[StepOutcome, ...]
