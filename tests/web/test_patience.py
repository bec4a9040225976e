"""The dashboard's patience: it follows what the way to a node has shown."""

from playwright.sync_api import Browser, Page

from tests.support.browser import watched_page
from tests.support.clusters import RunningCluster
from tests.support.waiting import wait_for

LATE_SECONDS = 6
"""Of the page's clock: for the first answer of a stream."""
STEP_MS = 1000
ANSWER_LATE = """
window.streams = [];
const original = window.fetch;
window.fetch = async (...call) => {
  if (!String(call[0].url ?? call[0]).includes("WatchCluster")) return original(...call);
  const stream = { pieces: 0 };
  window.streams.push(stream);
  await new Promise((resolve) => setTimeout(resolve, LATE_SECONDS * 1000));
  const answer = await original(...call);
  const counted = new TransformStream({
    transform(piece, out) { stream.pieces += 1; out.enqueue(piece); },
  });
  return new Response(answer.body.pipeThrough(counted), answer);
};
""".replace("LATE_SECONDS", str(LATE_SECONDS))


def test_a_page_whose_answers_take_long_hears_in_the_end_and_keeps_its_stream(
    browser: Browser, cluster: RunningCluster
) -> None:
    with watched_page(browser, cluster.envoy_url) as page:
        page.clock.install()
        page.add_init_script(ANSWER_LATE)
        page.goto("/")
        wait_for("the page to hear", lambda: hears(page))
        count = page.evaluate("streams.length")
        wait_for("two pieces more", lambda: page.evaluate("streams.at(-1).pieces") >= 3)
        assert page.evaluate("streams.length") == count


def hears(page: Page) -> bool:
    """Whether the page hears by a stream; its clock runs on a little first."""
    page.clock.run_for(STEP_MS)
    return bool(page.evaluate("streams.some((stream) => stream.pieces)"))
