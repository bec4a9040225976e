"""Envoy before a node that is far away."""

import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from limedb.launch import envoy
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions
from limedb.wire import descriptors
from tests.envoy.gateway import running_envoy, wait_until
from tests.envoy.standin import stand_in
from tests.support.delaying import delaying_proxy
from tests.support.ports import free_ports

SERVED_SECONDS = 10.0


@pytest.mark.torture
@pytest.mark.parametrize("seconds", [0.1, 0.4])
def test_a_node_far_away_is_found_healthy_and_stays_so(tmp_path: Path, seconds: float) -> None:
    with ExitStack() as stack:
        port, near, far = stack.enter_context(free_ports(3))
        stack.enter_context(stand_in(near, {}))
        way = stack.enter_context(delaying_proxy(far, f"127.0.0.1:{near}", seconds))
        options = EnvoyOptions(
            nodes=(envoy.parse_node(f"http://{way}"),),
            listen=Address("127.0.0.1", port),
            descriptor=str(descriptors.path()),
            otel=None,
        )
        log = stack.enter_context(running_envoy(tmp_path, envoy.render(options)))
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20))
        wait_until(lambda: _is_served(client), "Envoy to reach the node", log)
        end = time.monotonic() + SERVED_SECONDS
        while time.monotonic() < end:
            assert client.get("/api/v1/health").status_code == 200


def _is_served(client: httpx.Client) -> bool:
    try:
        return client.get("/api/v1/health").is_success
    except httpx.HTTPError:
        return False
