"""What a command imports: only what it needs, so that it starts quickly."""

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "ijson", "jinja2", "limedb.client", "lmdb", "psutil", "rich", "opentelemetry", "uvloop")


@pytest.mark.process
@pytest.mark.parametrize(
    ("module", "also"),
    [
        ("limedb.cli.kv", ("limedb.replication", "limedb.storage", "limedb.rpc.peer.links")),
        ("limedb.cli.views", ("limedb.replication", "limedb.storage")),
        ("limedb.cli.top", ("limedb.replication",)),
        ("limedb.cli.browse", ("limedb.replication",)),
        ("limedb.cli.app", ("grpc", "asyncio", "limedbpb")),
    ],
)
def test_a_command_imports_nothing_heavy_that_it_does_not_need(module: str, also: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert module in loaded
    assert loaded.isdisjoint({*HEAVY, *also})
