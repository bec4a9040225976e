"""Which documents can be a topology."""

from dataclasses import replace

import pytest

from limedb.core.bounds import MAX_EPOCH, MAX_MEMBERS, MAX_POINTS, flaw, is_url
from limedb.core.topology import (
    Member,
    MemberState,
    Phase,
    Topology,
    finish,
    give_way,
    hand_over,
    initial_topology,
    join,
    leave,
)

A, B = Member("id-a", "http://a:1"), Member("id-b", "http://b:2", "rack 1", 0)
SOUND = initial_topology("0123456789abcdef", 3, [A, B])


def test_what_steps_make_is_sound() -> None:
    joining = join(SOUND, Member("id-c", "http://c:3", "zönë", 4096))
    replacing = join(SOUND, Member("id-a2", A.url))
    for topology in (Topology(), SOUND, joining, hand_over(joining), finish(hand_over(joining)), replacing):
        assert flaw(topology) == ""
    assert flaw(leave(SOUND, "id-a")) == flaw(give_way(SOUND, True)) == ""
    assert (
        flaw(
            initial_topology(
                "0123456789abcdef", 16, [Member(f"{i:04}", f"http://n{i}:1") for i in range(1000)]
            )
        )
        == ""
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"epoch": 2**64 - 1}, "its epoch is 18446744073709551615"),
        ({"epoch": MAX_EPOCH + 1}, "its epoch is"),
        ({"epoch": 0}, "isn't empty"),
        ({"cluster_id": "evil"}, "16 hex digits"),
        ({"replication_factor": 0}, "its replication factor is 0: it must be 1 to 16"),
        ({"replication_factor": 17}, "its replication factor is 17"),
        ({"members": ()}, "it has 0 members"),
        ({"members": (A,) * (MAX_MEMBERS + 1)}, f"it has {MAX_MEMBERS + 1} members"),
        ({"members": (replace(A, virtual_nodes=10**6),)}, "http://a:1 has 1000000 virtual nodes"),
        (
            {"members": tuple(Member(f"{i:04}", f"http://n{i}:1", "", 4096) for i in range(100))},
            f"{MAX_POINTS} at most",
        ),
        ({"members": (B, A)}, "in the order of their ids"),
        ({"members": (A, A)}, "each once"),
        ({"members": (A, replace(B, url=A.url))}, "two of its members have one URL"),
        ({"members": (replace(A, url="not a url"),)}, "url is 'not a url'"),
        ({"members": (replace(A, url=f"http://{'a' * 300}:1"),)}, "256 bytes"),
        ({"members": (replace(A, zone="\x1b[2J"),)}, "zone of http://a:1"),
        ({"members": (replace(A, zone="z" * 200),)}, "128 printable"),
        ({"members": (replace(A, node_id=""),)}, "a member's id is ''"),
        ({"members": (replace(A, node_id="i" * 100),)}, "a member's id"),
        ({"members": (replace(A, standing=MemberState.JOINING), B)}, "1 of its members are changing"),
        ({"phase": Phase.STREAMING}, "0 of its members are changing"),
        (
            {"phase": Phase.STREAMING, "members": (replace(A, standing=MemberState.LEAVING),)},
            "nobody is left",
        ),
        (
            {
                "phase": Phase.HANDOVER,
                "writes_suspended": True,
                "members": (A, replace(B, standing=MemberState.LEAVING)),
            },
            "it gives way while a change runs",
        ),
    ],
)
def test_a_flaw_names_the_value_that_no_cluster_can_have(fields: dict[str, object], why: str) -> None:
    assert why in flaw(replace(SOUND, **fields))


@pytest.mark.parametrize(
    "url", ["http://a:0", "http://a:65536", "http://a", "https://a:1", "http://a:1/x", "://x", ""]
)
def test_what_is_no_url_of_a_node(url: str) -> None:
    assert not is_url(url)
