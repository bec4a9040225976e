"""The examples of docs/languages.md, each in its language, against real nodes behind a real Envoy.

`make examples` builds them. What is not built, or has no toolchain here, is skipped by name.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.clusters import RunningCluster

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SECONDS = 120
PROGRAMS = {
    "go": ([str(ROOT / "build/examples/go")], "{address}", "SERVING"),
    "typescript": (["node", str(EXAMPLES / "typescript/build/node.js")], "{url}", "active"),
    "java": (
        ["java", "-cp", f"{EXAMPLES}/java/target/classes:{EXAMPLES}/java/target/lib/*", "Example"],
        "{address}",
        "SERVING",
    ),
    "rust": ([str(EXAMPLES / "rust/target/debug/limedb-example")], "{url}", "SERVING"),
}
"""The command of each language, the form of Envoy's address, and the word for health."""
BUILT = {
    "go": ROOT / "build/examples/go",
    "typescript": EXAMPLES / "typescript/build/node.js",
    "java": EXAMPLES / "java/target/classes/Example.class",
    "rust": EXAMPLES / "rust/target/debug/limedb-example",
}
PREFIXES = {"typescript": "ts"}


def lacking(language: str) -> str:
    """What is not there to run an example; empty: all is."""
    (program, *_), _, _ = PROGRAMS[language]
    if not BUILT[language].exists():
        return f"needs the example in {language} (make examples)"
    return "" if shutil.which(program) else f"needs {program}"


@pytest.mark.parametrize("language", PROGRAMS)
def test_an_example_sets_gets_scans_watches_and_reads_an_errors_reason(
    cluster: RunningCluster, language: str
) -> None:
    if reason := lacking(language):
        pytest.skip(reason)
    command, form, healthy = PROGRAMS[language]
    address = form.format(address=cluster.envoy_address, url=cluster.envoy_url)
    done = subprocess.run(
        [*command, address], capture_output=True, text=True, timeout=SECONDS, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    prefix = PREFIXES.get(language, language)
    assert done.stdout.splitlines() == [
        "set: acked true",
        "get: green",
        "batch: written true",
        "batch: written true",
        *(f"scan: {prefix}/{fruit}" for fruit in ("apple", "lime", "plum")),
        f"watch: {prefix}/lime green",
        f"health: {healthy}",
        "error: KEY_NOT_FOUND",
    ]


def test_the_page_shows_each_example() -> None:
    page = (ROOT / "docs/languages.md").read_text()
    shown = set(re.findall(r'^--8<-- "examples/([a-z]+)/', page, re.MULTILINE))
    assert shown == set(PROGRAMS) == {folder.name for folder in EXAMPLES.iterdir() if folder.name != "python"}
