"""REST Gets per second through Envoy, beside unary Gets on the same node.

python -m bench.rest [--rounds 3] [--seconds 5] [--nodes 1]
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

from bench.load import free_port, grpc_rate, limedb_command, rest_rate
from limedbpb.v1 import kv_pb2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--nodes", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        data_dir = ["--data-dir", folder]
        ports = ["--port", str(free_port()), "--base-port", str(free_port())]
        start = limedb_command(
            "cluster", "start", "--detach", "--nodes", str(options.nodes), *ports, *data_dir
        )
        subprocess.run(start, check=True)
        try:
            measure(Path(folder), options.rounds, options.seconds)
        finally:
            subprocess.run(limedb_command("cluster", "stop", *data_dir), check=True)


def measure(folder: Path, rounds: int, seconds: float) -> None:
    cluster = json.loads((folder / "cluster.json").read_text())
    url = cluster["envoy"]["url"]
    port = int(cluster["nodes"][0]["grpc_address"].rpartition(":")[2])
    with urlopen(Request(f"{url}/api/v1/set", data=b'{"key":"key","value":"value"}')) as answer:
        assert answer.read() == b"OK"
    message = kv_pb2.GetRequest(key="key").SerializeToString()
    rest, unary = [], []
    for _ in range(rounds):
        unary.append(grpc_rate(port, "limedb.v1.KVService/Get", message, seconds))
        rest.append(rest_rate(f"{url}/api/v1/get/key", seconds))
    print(
        f"unary Get {median(unary):.0f}/s, REST Get {median(rest):.0f}/s: {median(rest) / median(unary):.2f}"
    )


if __name__ == "__main__":
    main()
