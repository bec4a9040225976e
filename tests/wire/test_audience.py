"""Of limedb/wire/audience.py. The whole table is tried on a real Envoy: tests/envoy/test_published.py."""

import pytest

from limedb.wire import audience
from limedb.wire.audience import AUDIENCES, Audience


def test_an_rpc_without_a_decision_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"limedb\.v1\.KVService/Nope has no audience: decide in"):
        audience.audience_of("limedb.v1.KVService", "Nope")
    with pytest.raises(LookupError, match="decide"):
        audience.audience_of("limedb.v1.Nope", "Get")


def test_nothing_for_nodes_is_ever_published() -> None:
    every = audience.published(set(Audience) - {Audience.NODES}, tuple(audience.ON_REQUEST))
    assert not {service for service in every if "ReplicaService" in service or "TopologyService" in service}
    assert "limedb.v1.GossipService/Exchange" in every


def test_on_request_adds_only_what_was_requested() -> None:
    usual = audience.published({Audience.CLIENTS, Audience.OPERATORS})
    assert not usual & set(audience.ON_REQUEST.values())
    assert audience.published({Audience.CLIENTS, Audience.OPERATORS}, ("direct",)) - usual == {
        "limedb.v1.KVService/SetDirect"
    }


def test_services_for_operators_are_not_those_of_clients() -> None:
    clients = audience.services({Audience.CLIENTS})
    assert "limedb.v1.AdminService" not in clients
    assert audience.services({Audience.OPERATORS}) == {"limedb.v1.AdminService"}
    assert clients < set(AUDIENCES)
