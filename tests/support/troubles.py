"""What a node reports as wrong, apart from the load of the machine that tests it."""

from collections.abc import Callable, Iterable

from tests.support.waiting import wait_for

OF_THE_MACHINE = "requests wait: "
"""How the warning begins that a turn of the event loop was late: on a loaded machine any node may have it."""


def wait_for_no_trouble(warnings: Callable[[], Iterable[str]], limit: float = 60.0) -> None:
    """Look until a node warns of nothing that is its own. AssertionError: it still does after limit (s)."""
    last: list[str] = []

    def is_well() -> bool:
        last[:] = (text for text in warnings() if not text.startswith(OF_THE_MACHINE))
        return not last

    try:
        wait_for("no trouble", is_well, limit)
    except AssertionError:
        raise AssertionError(f"the node still reports after {limit} s: {last}") from None
