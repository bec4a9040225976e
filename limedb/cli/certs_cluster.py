"""`limedb certs cluster`: arguments and screens only.

Tested in tests/launch/test_cluster_files.py.
"""

from pathlib import Path

import click

from limedb.cli.numbers import Number
from limedb.cli.options import Command
from limedb.errors import LimeDBError

DAYS = 365.0


@click.command(
    "cluster",
    cls=Command,
    examples="""
    limedb certs cluster http://10.0.0.1:8484 http://10.0.0.2:8484 http://10.0.0.3:8484
    limedb certs cluster http://node1:8484 --proxy limedb.example.com --at /run/secrets
    """,
)
@click.argument("urls", nargs=-1, required=True, metavar="NODE_URL..")
@click.option(
    "--proxy", metavar="HOST,..", help="Make a certificate for Envoy, which is reached at these hosts."
)
@click.option(
    "--at",
    default="/etc/limedb",
    show_default=True,
    metavar="PATH",
    help="Where a node will find its folder.",
)
@click.option(
    "--days", default=DAYS, show_default=True, type=Number(0.01, 36_500), help="How long they are valid."
)
@click.option(
    "--dir", "folder", default="certs", show_default=True, metavar="DIR", type=click.Path(path_type=Path),
    help="The folder to write to.",
)  # fmt: skip
def cluster(urls: tuple[str, ...], proxy: str | None, at: str, days: float, folder: Path) -> None:
    """Make everything that nodes on a network need: a CA, and a folder for each NODE_URL with its
    certificate, a root token, and its settings in limedb.env.

    Copy each folder to its machine, and start the node with these settings. To add nodes (name all of them),
    or to renew certificates, run the command again, and copy the folders again: it keeps all files, except
    certificates that expire within 60 days, and adds to NODE_PEERS. Nodes and Envoy follow the files, and
    lose no connection; move a file into Envoy's folder by renaming it (mv).
    """
    from limedb.launch.cluster_files import ClusterFiles

    try:
        files = ClusterFiles(folder, at, days)
        made = [files.node(url, urls) for url in dict.fromkeys(urls)]
        if proxy:
            made.append(files.proxy([host.strip() for host in proxy.split(",") if host.strip()]))
    except OSError as error:
        raise LimeDBError(f"{folder} can't be written: {error}") from None
    for path in made:
        click.echo(path)
