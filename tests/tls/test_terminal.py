"""The terminal UI's calls to a node that speaks TLS."""

from contextlib import aclosing
from pathlib import Path

import pytest

from limedb.errors import UnavailableError
from limedb.operator.console_values import Sample
from limedb.tui.drafts import Draft
from limedb.tui.session import TuiSession
from tests.support.certificates import Pki, asked, settings_of
from tests.support.clusters import QUICK
from tests.support.ports import free_ports
from tests.support.serving import starting_node

pytestmark = pytest.mark.cluster


async def test_it_reaches_all_that_it_shows(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    with free_ports(2) as (port, _):
        url = f"http://localhost:{port}"
        settings = {"NODE_URL": url, "PEER_PORT_OFFSET": "1", **QUICK, **settings_of(pki.node(url))}
        with starting_node(tmp_path / "node", port, settings):
            session = TuiSession(asked(f"localhost:{port}", pki.ca), 20)
            try:
                async with aclosing(session.follow()) as all_news:
                    async for news in all_news:
                        if isinstance(news, Sample) and news.epoch:
                            break
                await session.gossip(url)
                await session.set(Draft("tui", "green"))
                found = await session.get("tui", None)
                assert found is not None
                assert found.value == "green"
                assert "tui" in [row.key for row in (await session.page("tui", None)).entries]
            finally:
                await session.close()
            plain = TuiSession(f"localhost:{port}", 2)
            try:
                with pytest.raises(UnavailableError):
                    await plain.get("tui", None)
            finally:
                await plain.close()
