"""Limits of each client: rates, streams, bytes; what a refusal says, and what is seen of it."""

import logging

import pytest

from limedb.core.rights import Identity
from limedb.errors import LimitExceededError, OverloadedError
from limedb.rpc.server.clients import CALLER, Clients
from limedb.rpc.server.gate import NODE
from limedb.rpc.server.limits import (
    CLUSTER_WATCH,
    LOG_SECONDS,
    MOST_BUCKETS,
    SCAN,
    SHOWN_SECONDS,
    TOGETHER,
    WATCH,
    Limits,
    LimitSettings,
    Rates,
)
from limedb.rpc.server.memory import Memory
from limedbpb.v1 import kv_pb2
from tests.rpc.server.callers import Caller
from tests.support.hand_clock import HandClock

ALICE, BOB = Identity("alice", ()), Identity("bob", ())
SESSION = "KVService/Session"


def limits(clock: HandClock | None = None, **settings: int) -> Limits:
    return Limits(LimitSettings(**settings), clock or HandClock())


def rates(made: Limits) -> Rates:
    assert made.for_requests is not None
    return made.for_requests


def at(host: int = 1) -> Caller:
    return Caller(f"ipv4:10.0.0.{host}:5")


def test_without_a_rate_requests_pass_nothing() -> None:
    assert limits().for_requests is None


def test_beyond_its_rate_a_client_learns_when_to_come_back() -> None:
    clock = HandClock()
    made = limits(clock, rate=10, burst=2)
    for _ in range(2):
        rates(made).begin(at(), None)
    with pytest.raises(LimitExceededError) as caught:
        rates(made).begin(at(), None)
    error = caught.value
    assert (error.whose, error.setting, error.limit) == ("address 10.0.0.1", "CLIENT_RATE", 10)
    assert error.retry_seconds == pytest.approx(0.1)
    assert "nothing was written" in str(error)
    rates(made).begin(at(2), None)  # another address has its own
    clock.now += 0.1
    rates(made).begin(at(), None)


def test_a_burst_is_a_seconds_worth_unless_it_is_set() -> None:
    made = limits(rate=3)
    for _ in range(3):
        rates(made).begin(at(), None)
    with pytest.raises(LimitExceededError):
        rates(made).begin(at(), None)


def test_users_of_one_address_have_their_own_rates_and_one_together() -> None:
    made = limits(rate=1, burst=1)
    for number in range(TOGETHER):
        _as(Identity(f"user{number}", ()), made)
    with pytest.raises(LimitExceededError, match="user user0 may have 1 requests"):
        _as(Identity("user0", ()), made)
    with pytest.raises(LimitExceededError, match=r"all users at 10\.0\.0\.1 may have 4 requests"):
        _as(BOB, made)


def test_a_user_has_one_rate_at_all_addresses() -> None:
    made = limits(rate=1, burst=1)
    _as(ALICE, made, at(1))
    with pytest.raises(LimitExceededError, match="user alice"):
        _as(ALICE, made, at(2))


def _as(who: Identity, made: Limits, caller: Caller | None = None) -> None:
    token = CALLER.set(who)
    try:
        rates(made).begin(caller or at(), who)
    finally:
        CALLER.reset(token)


def test_no_header_makes_a_client_another_one() -> None:
    made = limits(rate=1, burst=1)
    rates(made).begin(Caller("ipv4:10.0.0.1:5", ("x-forwarded-for", "6.6.6.6")), None)
    with pytest.raises(LimitExceededError, match=r"address 10\.0\.0\.1 "):
        rates(made).begin(Caller("ipv4:10.0.0.1:6", ("x-forwarded-for", "7.7.7.7")), None)


def test_other_nodes_have_no_limits() -> None:
    made = limits(rate=1, burst=1, streams=1)
    for _ in range(5):
        rates(made).begin(at(), NODE)
        made.stream(SESSION, at(), NODE)
    certified = Limits(LimitSettings(1, 1), HandClock(), is_node=lambda _: True)
    for _ in range(5):
        rates(certified).begin(at(), None)


async def test_a_batch_is_as_many_requests_as_it_has_keys() -> None:
    clock = HandClock()
    made = limits(clock, rate=10, burst=10)

    async def answer(request: object, _context: object) -> object:
        return request

    batch = kv_pb2.BatchGetRequest(keys=[str(n) for n in range(30)])
    rates(made).begin(at(), None)
    await rates(made).charged(answer)(batch, at())
    with pytest.raises(LimitExceededError) as caught:
        rates(made).begin(at(), None)
    assert caught.value.retry_seconds == pytest.approx(2.1)  # a debt of 20, and a token


async def test_requests_of_a_session_count_like_calls() -> None:
    made = limits(rate=2, burst=2)

    async def answer(request: object, _context: object) -> object:
        return request

    session = rates(made).session(at(), {"get": answer})
    for _ in range(2):
        await session["get"](kv_pb2.GetRequest(key="k"), None)
    with pytest.raises(LimitExceededError):
        await session["get"](kv_pb2.GetRequest(key="k"), None)


def test_many_addresses_take_little_memory_and_no_new_burst_while_they_are_few() -> None:
    clock = HandClock()
    made = limits(clock, rate=1, burst=1)
    for number in range(3 * MOST_BUCKETS):
        rates(made).begin(Caller(f"ipv4:10.{number >> 16}.{number >> 8 & 255}.{number & 255}:5"), None)
        clock.now += 0.001
    assert rates(made).remembered <= MOST_BUCKETS
    with pytest.raises(LimitExceededError):
        rates(made).begin(Caller(f"ipv4:10.{number >> 16}.{number >> 8 & 255}.{number & 255}:6"), None)


@pytest.mark.parametrize(
    ("method", "setting"), [(SESSION, "CLIENT_STREAMS"), (WATCH, "CLIENT_WATCHES"), (SCAN, "CLIENT_SCANS")]
)
def test_streams_watches_and_scans_are_limited_until_one_ends(method: str, setting: str) -> None:
    made = limits(streams=3 if method == SESSION else 9, watches=3, scans=3)
    taken = [made.stream(method, at(), None) for _ in range(3)]
    with pytest.raises(LimitExceededError, match=setting):
        made.stream(method, at(), None)
    made.stream(method, at(2), None)
    taken[0].release()
    taken[0].release()
    made.stream(method, at(), None)
    with pytest.raises(LimitExceededError):
        made.stream(method, at(), None)


def test_a_refused_stream_counts_for_nothing() -> None:
    made = limits(streams=2, watches=1)
    watch = made.stream(WATCH, at(), None)
    with pytest.raises(LimitExceededError, match="CLIENT_WATCHES"):
        made.stream(WATCH, at(), None)
    made.stream(SESSION, at(), None)  # the refused watch isn't one of two streams
    watch.release()


def test_watches_of_the_cluster_are_limited_for_the_whole_node() -> None:
    made = limits(cluster_watches=2)
    first = made.stream(CLUSTER_WATCH, at(1), None)
    made.stream(CLUSTER_WATCH, at(2), None)
    with pytest.raises(OverloadedError, match="too many watches of the cluster: 2 of 2"):
        made.stream(CLUSTER_WATCH, at(3), None)
    first.release()
    made.stream(CLUSTER_WATCH, at(3), None)


def test_a_client_may_hold_so_many_bytes_in_all_shares_together() -> None:
    made = limits(size=1 << 20)
    memory = Memory(64 << 20, HandClock(), Clients(), made)
    one, other = (memory.clients.of(at(host)) for host in (1, 2))
    held = memory.requests.hold(one, 700 << 10)
    with pytest.raises(LimitExceededError, match="CLIENT_BYTES"):
        memory.answers.hold(one, 400 << 10)
    memory.answers.hold(other, 400 << 10)
    held.release()
    with memory.answers.hold(one, 400 << 10) as answer, memory.streams.hold(one, 1):
        with pytest.raises(LimitExceededError):
            answer.resize(2 << 20)
        assert answer.amount == 400 << 10
    assert memory.answers.hold(one, 900 << 10).amount


async def test_a_large_request_waits_for_its_clients_own_bytes() -> None:
    made = limits(size=1 << 20)
    memory = Memory(64 << 20, HandClock(), Clients(), made)
    of = memory.clients.of(at())
    memory.requests.hold(of, 900 << 10)
    with pytest.raises(LimitExceededError, match="CLIENT_BYTES"):
        await memory.requests.wait(of, 900 << 10, 0.01)


def test_refusals_are_counted_by_limit_and_kind_and_never_by_name(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    made = limits(clock, rate=1, burst=1)
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            for host in range(20):
                try:
                    rates(made).begin(at(host), None)
                except LimitExceededError:
                    continue
    assert set(made.counts()) == {("CLIENT_RATE", "identity")}
    assert made.counts()["CLIENT_RATE", "identity"] == 50 * 20 - 20
    assert len(caplog.records) == 1  # the others wait for the next line
    clock.now += LOG_SECONDS
    rates(made).begin(at(1), None)
    with pytest.raises(LimitExceededError):
        rates(made).begin(at(1), None)
    assert "address 10.0.0.1" in caplog.records[1].getMessage()
    assert caplog.records[1].getMessage().startswith("980 refused")


def test_health_shows_for_a_while_that_a_limit_refuses_and_names_nobody() -> None:
    clock = HandClock()
    made = limits(clock, streams=1)
    assert not list(made.problems())
    made.stream(SESSION, at(7), None)
    with pytest.raises(LimitExceededError):
        made.stream(SESSION, at(7), None)
    (problem,) = made.problems()
    assert "CLIENT_STREAMS" in problem.text
    assert "10.0.0.7" not in problem.text
    assert not problem.stops_serving
    clock.now += SHOWN_SECONDS
    assert not list(made.problems())
