"""Long strings in JSON bodies: what came before them doesn't make Envoy slower."""

import base64
import json
import os
from pathlib import Path

import psutil
import pytest

from tests.envoy.gateway import Gateway, running_gateway

COUNT = 20
LONG = {
    "text": "v" * 5_600_000,
    "base64": base64.b64encode(os.urandom(4_200_000)).decode(),
}
SHORT = ["v", "v" * 200, "é" * 100, "\\u00e9\\n" * 50, "\\ud83d\\ude00" * 30]


def envoy_of(folder: Path) -> psutil.Process:
    """Envoy's process, which has its configuration in the folder."""
    running = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    found = [p for p in running if str(folder / "envoy.yaml") in p.cmdline()]
    assert len(found) == 1
    return found[0]


def cost(gateway: Gateway, envoy: psutil.Process, body: str) -> float:
    """Seconds of Envoy's processor time for some requests that are refused at their end, by no node."""
    before = envoy.cpu_times()
    for _ in range(COUNT):
        answer = gateway.client.post("/api/v1/set", content=body)
        assert answer.json()["message"].startswith("unknown field x")
    after = envoy.cpu_times()
    return after.user + after.system - before.user - before.system


@pytest.mark.torture  # it compares processor times, which a busy machine blurs
@pytest.mark.process
@pytest.mark.parametrize(
    ("field", "content"), [("value", LONG["text"]), ("blob", LONG["base64"])], ids=[*LONG]
)
def test_short_strings_before_long_ones_do_not_make_these_slower(
    tmp_path: Path, field: str, content: str
) -> None:
    """LuaJIT gives up a loop that short strings have left too often, and interprets it from then on."""
    body = f'{{"key":"k","{field}":"{content}","x":1}}'
    with running_gateway(tmp_path, count=1) as gateway:
        envoy = envoy_of(tmp_path)
        cost(gateway, envoy, body)
        first = cost(gateway, envoy, body)
    (tmp_path / "again").mkdir()
    with running_gateway(tmp_path / "again", count=1) as gateway:
        envoy = envoy_of(tmp_path / "again")
        for n in range(300):
            for text in SHORT:
                gateway.client.post("/api/v1/set", content=f'{{"key":"k","value":"{text}"}}')
            blob = base64.b64encode(os.urandom(n)).decode()
            gateway.client.post("/api/v1/set", content=json.dumps({"key": "k", "blob": blob}))
        later = cost(gateway, envoy, body)
    assert later < 2 * first
