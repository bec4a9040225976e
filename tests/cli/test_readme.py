"""README's lines, in order, on a real cluster."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

from limedb.client import connect_sync
from tests.support.clusters import RunningCluster

README = Path(__file__).parents[2] / "README.md"
BIN = Path(sys.executable).parent


def blocks(heading: str, language: str = "") -> list[str]:
    """The blocks of a language below a heading."""
    section = README.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def test_the_python_example_runs_as_it_stands(cluster: RunningCluster) -> None:
    (code,) = blocks("A cluster in a minute", "python")
    addresses = ",".join(node.address for node in cluster.nodes[:2])
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code.replace("localhost:7001,localhost:7002", addresses), "README.md", "exec"), {})
    assert shown.getvalue() == "hello\n"


def test_the_lines_work_in_their_order(cluster: RunningCluster) -> None:
    """Each prints what stands behind it, up to an ellipsis of the page."""
    lines = next(
        block for block in blocks("A cluster in a minute") if block.startswith("curl -X POST")
    ).splitlines()
    assert len(lines) == 5
    with connect_sync(cluster.envoy_address) as db:
        db.delete("greeting")
    for line in lines:
        command, _, expected = line.partition(" # ")
        text = command.replace("localhost:8484", cluster.envoy_address)
        text = text.replace("localhost:7001", cluster.nodes[0].address).replace(
            ".venv/bin/", f"{shlex.quote(str(BIN))}/"
        )
        done = subprocess.run(
            ["bash", "-c", text],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": "/usr/bin:/bin", "LIMEDB_TARGET": cluster.envoy_address, "HOME": "/nowhere"},
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        if expected.strip().startswith("{"):
            assert done.stdout.startswith('{"value":"hello","nodeUrl":"http://127.0.0.1:'), line
        elif expected.strip():
            assert done.stdout == expected.strip(), line
        else:
            assert "hello" in done.stdout or "blob" in done.stdout, line
