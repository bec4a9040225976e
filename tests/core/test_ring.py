"""The ring: balance, how little moves, and the exact points."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core import ring as ring_module
from limedb.core.ring import TOKENS, Ring, TokenRange, points_of, token_of

NAMINGS = {
    "compose": [f"http://node{i}:8484" for i in range(1, 5)],
    "local": [f"http://127.0.0.1:{7000 + i}" for i in range(1, 5)],
    "localhost": [f"http://localhost:{8484 + i}" for i in range(4)],
    "addresses": [f"http://10.0.0.{i}:8484" for i in range(1, 5)],
    "docker network": [f"http://172.18.0.{i}:8484" for i in range(2, 6)],
    "stateful set": [f"http://limedb-{i}.limedb:8484" for i in range(4)],
}
URLS = NAMINGS["compose"]
KEYS = [f"user:{i}" for i in range(20_000)]

urls = st.lists(st.integers(1, 60).map(lambda i: f"http://n{i}:8484"), min_size=1, max_size=8, unique=True)
tokens = st.integers(0, TOKENS - 1)


def shares(ring: Ring) -> dict[str, float]:
    """Each node's part of all tokens, times the number of nodes: 1 is the mean."""
    sizes: Counter[str] = Counter()
    for url, owned in ring.ranges():
        sizes[url] += owned.size
    return {url: size / TOKENS * len(ring.nodes) for url, size in sizes.items()}


@pytest.mark.parametrize(
    ("text", "token"),
    [("", 0xEF46DB3751D8E999), ("a", 0xD24EC4F1A98C6E5B), ("abc", 0x44BC2CF5AD770999)],
)
def test_a_token_is_the_xxh64_that_its_author_publishes(text: str, token: int) -> None:
    assert token_of(text) == token


def test_a_token_is_that_of_the_utf8() -> None:
    assert token_of("é") == token_of("\u00e9") != token_of("e\u0301")


@pytest.mark.parametrize("naming", NAMINGS)
def test_four_nodes_own_within_15_percent_of_the_mean(naming: str) -> None:
    owned = shares(Ring(NAMINGS[naming]))

    assert all(0.85 <= share <= 1.15 for share in owned.values()), owned


def test_balance_of_many_namings_is_as_good_as_chance_allows() -> None:
    """The deviation of a share is about 1/sqrt(256), 6 %: one naming in some dozens passes 15 %."""
    worst = [
        max(abs(s - 1) for s in shares(Ring([f"http://c{c}-{i}:8484" for i in range(4)])).values())
        for c in range(200)
    ]

    assert sum(deviation > 0.15 for deviation in worst) <= 10, sorted(worst)[-12:]
    assert max(worst) < 0.25


def test_keys_follow_the_shares() -> None:
    ring = Ring(URLS)
    counts = Counter(ring.owner(token_of(key)) for key in KEYS)

    for url, share in shares(ring).items():
        assert counts[url] == pytest.approx(share * len(KEYS) / 4, rel=0.05)


@pytest.mark.parametrize("nodes", range(1, 9))
def test_a_node_more_moves_its_share_of_the_keys_and_none_between_the_others(nodes: int) -> None:
    before = Ring(f"http://node{i}:8484" for i in range(1, nodes + 1))
    new = f"http://node{nodes + 1}:8484"
    after = before.add(new)

    moved = [k for k in KEYS if before.owner(token_of(k)) != after.owner(token_of(k))]

    assert 0 < len(moved) <= 1.2 * len(KEYS) / (nodes + 1)
    assert {after.owner(token_of(k)) for k in moved} == {new}


def test_virtual_nodes_0_puts_one_point_at_the_hash_of_the_url() -> None:
    ring = Ring(URLS, virtual_nodes=0)

    assert len(ring) == 4
    assert {ring.owner(token_of(url)) for url in URLS} == set(URLS)
    assert all(ring.owner(token_of(url)) == url for url in URLS)


def test_the_points_are_the_hashes_of_the_url_and_a_number() -> None:
    assert points_of("http://node1:8484", 3) == [token_of(f"http://node1:8484:{i}") for i in range(3)]


def test_a_token_belongs_to_the_first_point_at_or_after_it_and_wraps() -> None:
    ring = Ring(URLS, virtual_nodes=0)
    points = sorted((token_of(url), url) for url in URLS)
    (first, first_url), (second, second_url), *_, (last, _) = points

    assert ring.owner(first) == first_url
    assert ring.owner(first + 1) == second_url == ring.owner(second)
    assert ring.owner((last + 1) % TOKENS) == first_url == ring.owner(0)


def test_add_and_remove_are_idempotent() -> None:
    ring = Ring(URLS)

    assert ring.add(URLS[0]) is ring
    assert ring.remove("http://stranger:8484") is ring
    there_and_back = ring.add("http://node9:8484").remove("http://node9:8484")
    assert list(there_and_back.ranges()) == list(ring.ranges())


def test_the_order_in_which_nodes_come_does_not_matter() -> None:
    assert list(Ring(reversed(URLS)).ranges()) == list(Ring([*URLS, URLS[0]]).ranges())


def test_a_point_hit_twice_goes_to_the_smaller_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "token_of", lambda key: 7)

    for order in (["http://b:1", "http://a:1"], ["http://a:1", "http://b:1"]):
        ring = Ring(order, virtual_nodes=2)
        assert [url for url, _ in ring.ranges()] == ["http://a:1"]


def test_an_empty_ring_owns_nothing() -> None:
    with pytest.raises(LookupError, match="no node"):
        Ring().owner(0)
    assert not list(Ring().ranges())
    assert not list(Ring().preference_list(0))


@given(urls, st.sampled_from([0, 1, 8]))
def test_the_ranges_cover_every_token_once(nodes: list[str], virtual_nodes: int) -> None:
    owned = list(Ring(nodes, virtual_nodes).ranges())

    assert sum(r.size for _, r in owned) == TOKENS
    for (_, before), (_, after) in zip(owned, owned[1:] + owned[:1], strict=True):
        assert before.end == after.start


@given(urls, tokens)
def test_the_range_that_holds_a_token_is_its_owners(nodes: list[str], token: int) -> None:
    ring = Ring(nodes, 4)

    assert [url for url, owned in ring.ranges() if token in owned] == [ring.owner(token)]


@given(urls, tokens)
def test_a_walk_meets_every_node_once_and_the_owner_first(nodes: list[str], token: int) -> None:
    ring = Ring(nodes, 4)
    met = list(ring.preference_list(token))

    assert sorted(met) == sorted(nodes)
    assert met[0] == ring.owner(token)
    if len(met) > 1:
        assert met[1] == ring.remove(met[0]).owner(token)


@pytest.mark.parametrize(
    ("owned", "inside", "outside", "size"),
    [
        (TokenRange(10, 20), [11, 20], [10, 21, 0], 10),
        (TokenRange(TOKENS - 2, 1), [TOKENS - 1, 0, 1], [TOKENS - 2, 2], 3),
        (TokenRange(5, 5), [5, 6, 4, 0], [], TOKENS),
    ],
)
def test_a_range_holds_what_is_behind_its_start_up_to_its_end(
    owned: TokenRange, inside: list[int], outside: list[int], size: int
) -> None:
    assert all(token in owned for token in inside)
    assert not any(token in owned for token in outside)
    assert owned.size == size
