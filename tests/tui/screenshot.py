"""Draws docs/images/tui*.svg, by `make tui-screenshot`; `make test` leaves it out: it writes sources."""

import asyncio
import json
import math
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

import limedb
from limedb.client import Client
from limedb.tui.app import LimeApp
from tests.support.clusters import RunningCluster, running_cluster
from tests.tui.screens import Screen, screen, statuses

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = (100, 30)
FONT_FACES = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
IDENTIFIER = re.compile(r"terminal-\d+")
FRUITS = ("lime", "lemon", "yuzu", "kumquat", "pomelo", "citron", "bergamot", "tangerine")


@pytest.mark.cluster
async def test_draw(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=4, env={"GOSSIP_INTERVAL": "500ms"}, envoy=False) as cluster:
        async with limedb.connect(cluster.nodes[1].address) as db:
            await db.set_many({f"fruit:{name}:{i:03}": _fruit(name, i) for i in range(60) for name in FRUITS})
            async with screen(cluster.nodes[0].address, SIZE, _clock()) as shown:
                await _draw(shown, cluster, db)


async def _draw(shown: Screen, cluster: RunningCluster, db: Client) -> None:
    await shown.until("four nodes", lambda: statuses(shown) == ["active"] * 4)
    load = asyncio.create_task(_load(db))
    try:
        last = cluster.nodes[3]
        cluster.kill(last.name)
        await shown.until("a dead node", lambda: shown.nodes()[last.url]["status"] == "dead", limit=30)
        cluster.restart(last.name)
        await shown.until("it active", lambda: shown.nodes()[last.url]["status"] == "active", limit=30)
        await shown.until("a history", lambda: len(shown.app.cluster.histories()[last.url]) > 30, limit=90)
        cluster.kill(last.name)
        await shown.until("a dead node", lambda: shown.nodes()[last.url]["status"] == "dead", limit=30)
        _save(shown.app, "tui")
        await shown.press("slash")
        await shown.until("the prefix in focus", lambda: shown.focus == "prefix")
        await shown.type("fruit:y")
        await shown.until("keys", lambda: len(shown.keys()) == 60)
        await shown.press("enter", "down", "down")
        await shown.until(
            "a value", lambda: shown.data.key == shown.keys()[2] and ", live" in shown.everything()
        )
        _save(shown.app, "tui-data")
        await shown.press("e", "tab", "tab", *"86400", *["ctrl+l"] * 2)
        await shown.until("the form", lambda: "● QUORUM" in shown.everything())
        _save(shown.app, "tui-set")
    finally:
        load.cancel()


async def _load(db: Client) -> None:
    """Reads and writes that come and go like waves, so that there are rates to see, until cancelled."""
    for i in range(1_000_000):
        names = [f"fruit:{FRUITS[i % 8]}:{(i + k) % 60:03}" for k in range(40)]
        wave = math.sin(time.monotonic() / 3)
        await db.get_many(names[: round(22 + 18 * wave)])
        await db.set_many({name: _fruit(FRUITS[i % 8], i) for name in names[:4]})
        await asyncio.sleep(0.2 - 0.15 * wave)  # a load that leaves the machine room


def _fruit(name: str, number: int) -> str:
    return json.dumps({"name": name, "crate": number, "ripe": number % 3 > 0, "from": ["Sicily", "Oaxaca"]})


def _clock() -> Callable[[], datetime]:
    """A clock that begins at noon."""
    start, noon = datetime.now(), datetime(2020, 1, 1, 12)
    return lambda: noon + (datetime.now() - start)


def _save(app: LimeApp, name: str) -> None:
    """A picture without what differs between machines, or would be fetched from elsewhere."""
    svg = FONT_FACES.sub("", app.export_screenshot(title="limedb tui"))
    svg = IDENTIFIER.sub("limedb", svg).replace("Fira Code, monospace", "ui-monospace, monospace")
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / f"{name}.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")
