import pytest

from limedb.core.conditions import condition, is_known


@pytest.mark.parametrize(
    ("status", "reachable", "is_what", "known"),
    [
        ("active", True, "active", True),
        ("stale", True, "stale", True),
        ("active", False, "unreachable", False),
        ("stale", False, "unreachable", False),
        ("dead", False, "dead", False),
        ("dead", True, "dead", False),
        ("", True, "unknown", False),
        ("", False, "unknown", False),
    ],
)
def test_links_count_before_gossip_and_only_what_is_heard_has_figures(
    status: str, reachable: bool, is_what: str, known: bool
) -> None:
    assert (condition(status, reachable), is_known(status, reachable)) == (is_what, known)
