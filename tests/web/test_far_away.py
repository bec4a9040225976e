"""The dashboard where the cluster is far away: one stream stays, and the page claims no loss."""

import pytest
from playwright.sync_api import Browser

from tests.support.browser import open_live, watched_page
from tests.support.clusters import RunningCluster
from tests.support.delaying import far
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

DELAYS = [0.1, *(pytest.param(seconds, marks=pytest.mark.torture) for seconds in (0.005, 0.4, 1.0, 2.0))]
"""Seconds one way."""
PIECES = 4
"""Of the stream that are waited for: its interval is a second, and a silence of 3.5 s would end it."""
COUNT_PIECES = """
window.streams = [];
const original = window.fetch;
window.fetch = async (...call) => {
  const answer = await original(...call);
  if (!String(call[0].url ?? call[0]).includes("WatchCluster")) return answer;
  const stream = { pieces: 0 };
  window.streams.push(stream);
  const counted = new TransformStream({
    transform(piece, out) { stream.pieces += 1; out.enqueue(piece); },
  });
  return new Response(answer.body.pipeThrough(counted), answer);
};
"""
KEEP_CLAIMS = """() => {
  const mark = document.querySelector("header [role=status]");
  window.claims = [mark.textContent];
  new MutationObserver(() => window.claims.push(mark.textContent))
    .observe(mark, { subtree: true, childList: true, characterData: true });
}"""


@pytest.mark.parametrize("seconds", DELAYS)
def test_the_page_hears_by_one_stream_and_claims_no_loss(
    browser: Browser, cluster: RunningCluster, seconds: float
) -> None:
    with (
        far(cluster.envoy_address, seconds) as address,
        watched_page(browser, f"http://{address}") as page,
    ):
        page.add_init_script(COUNT_PIECES)
        open_live(page)
        page.evaluate(KEEP_CLAIMS)
        before = page.evaluate("streams[0].pieces")
        wait_for("the stream to go on", lambda: page.evaluate("streams[0].pieces") >= before + PIECES)
        assert page.evaluate("streams.length") == 1
        claims = page.evaluate("claims")
        assert {claim for claim in claims if not claim.startswith("live from ")} == set()
