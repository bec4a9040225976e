"""Of limedb/wire/audience.py. The whole table is tried on a real Envoy: tests/envoy/test_published.py."""

from pathlib import Path

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


def test_the_documentation_has_every_service_with_its_audience() -> None:
    """A service stands with the audience of most of its RPCs, and an RPC of another one by itself."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    table = page.partition("| for | where | RPCs |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = {row.split("|")[1].strip(): row.split("|")[3].strip().split(", ") for row in table.splitlines()}
    for service, methods in AUDIENCES.items():
        name = service.rpartition(".")[2]
        usual = max(methods.values(), key=list(methods.values()).count)
        assert name in rows[usual]
        others = {f"{name}/{method}": each for method, each in methods.items() if each is not usual}
        assert all(rpc in rows[each] for rpc, each in others.items())
    assert set(rows) == set(Audience)
