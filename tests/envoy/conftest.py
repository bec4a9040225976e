"""One Envoy for the tests of this folder; its nodes forget between tests."""

from collections.abc import Iterator

import pytest

from tests.envoy.gateway import Gateway, running_gateway, wait_until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts Envoy is marked so; its nodes are stand-ins."""
    for item in items:
        if "envoy" in item.path.parts and {"gateway", "guarded"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.process)


@pytest.fixture(scope="session")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("envoy")) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    for node in shared_gateway.nodes:
        node.forget()
    wait_until(
        lambda: all(shared_gateway.is_reached(node) for node in shared_gateway.nodes),
        "all nodes to be healthy",
        shared_gateway.log,
    )
    for node in shared_gateway.nodes:
        node.forget()
    return shared_gateway
