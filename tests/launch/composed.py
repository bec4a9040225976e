"""The compose cluster for real, by README's own steps. Needs an engine, so that CI leaves it out:

    python -m tests.launch.composed docker compose

Its arguments are the command to use. It removes the cluster and its volumes before and at the end.
"""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
READY_SECONDS = 120
RENEW = """
from pathlib import Path
from limedb.launch.cluster_files import ClusterFiles
ClusterFiles(Path("/setup"), "/etc/limedb", 1).proxy(["envoy", "again.example.com"])
"""
"""Makes a certificate of Envoy that lasts a day, as if the one that is there had grown old."""


class Composed:
    """The cluster of a compose command."""

    def __init__(self, command: list[str]) -> None:
        self._command = shlex.join(command)

    def run(self, line: str, must: bool = True) -> str:
        """Run a line of a shell in the repository; its output. must: whether it has to succeed."""
        given = line.replace("docker compose", self._command)
        done = subprocess.run(
            ["bash", "-euc", given], cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800
        )
        assert not must or done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def wait_for(self, line: str, words: str) -> None:
        """Run a line until its output has some words."""
        end = time.monotonic() + READY_SECONDS
        while words not in (output := self.run(line, must=False)):
            assert time.monotonic() < end, f"{line} has no {words}: {output}"
            time.sleep(1)


def steps() -> list[str]:
    """The lines of README that start and use it."""
    (block,) = re.findall(
        r"^```\n(docker compose up.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return str(block).replace("\\\n", "").splitlines()


def check(cluster: Composed) -> None:
    """AssertionError: something of what README and docs/compose.md say isn't so."""
    start, *secrets, store, fetch = steps()
    cluster.run(start)
    for line in secrets:
        cluster.run(line)
    cluster.wait_for(store, "OK")
    assert '"value":"hello"' in cluster.run(fetch)
    code = "-s -o /dev/null -w '%{http_code}'"
    bare = fetch.replace('-H "authorization: Bearer $(cat root.token)"', code)
    assert cluster.run(bare) == "401"
    assert cluster.run(bare.replace("/api/v1/get/greeting", "/api/v1/health")) == "200"
    assert cluster.run(f"curl {code} http://localhost:8484/api/v1/health", must=False) == "000"
    node = "docker compose exec -T node1 limedb"
    assert cluster.run(f"{node} health").startswith("SERVING")
    status = cluster.run(f"{node} admin status")
    assert "INSECURE" not in status, status
    assert cluster.run("docker compose exec -T node1 ls /etc/limedb").split() == [
        "ca.pem", "limedb.env", "node.key", "node.pem", "root.token",
    ]  # fmt: skip
    check_renewal(cluster)


def check_renewal(cluster: Composed) -> None:
    """Envoy shows a new certificate without a restart."""
    shown = (
        "openssl s_client -connect localhost:8484 -CAfile ca.pem </dev/null 2>/dev/null | openssl x509 -noout"
    )
    serial = f"{shown} -serial"
    before = cluster.run(serial)
    cluster.run(
        f"docker compose run --rm --user 10001:10001 --entrypoint python certs -c {shlex.quote(RENEW)}"
    )
    cluster.wait_for(f"[ '{before.strip()}' = \"$({serial})\" ] || echo changed", "changed")
    cluster.run("docker compose up -d certs")  # and one that lasts
    cluster.wait_for(f"{shown} -checkend 31000000 || true", "will not expire")


def main() -> None:
    """Run it, and clean up."""
    cluster = Composed(sys.argv[1:] or ["docker", "compose"])
    try:
        cluster.run("docker compose down -v", must=False)
        check(cluster)
    finally:
        print(  # noqa: T201 (for those who run it)
            cluster.run("docker compose ps; docker compose logs --tail 20", must=False)[-6000:],
            file=sys.stderr,
        )
        cluster.run("docker compose down -v; rm -f ca.pem root.token", must=False)


if __name__ == "__main__":
    main()
