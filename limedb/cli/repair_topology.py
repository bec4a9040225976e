"""`limedb repair-topology`: make stopped nodes a cluster again, where they can't become one by themselves.

Tested in tests/scenarios/test_hostile_peers.py.
"""

from pathlib import Path

import click

from limedb.cli.numbers import Whole
from limedb.cli.options import command
from limedb.storage import topology_repair as repair


@command(
    "repair-topology",
    examples="""
    limedb repair-topology --dry-run data/*.lmdb
    limedb repair-topology data1/*.lmdb data2/*.lmdb data3/*.lmdb
    """,
)
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FOLDER...")
@click.option(
    "--replication-factor",
    type=Whole(1, 15),
    help="How many replicas each key has. Default: the number in the nodes' files.",
)
@click.option(
    "--virtual-nodes",
    type=Whole(0, 4096),
    default=256,
    show_default=True,
    help="Points on the ring for nodes whose number no file holds.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
def repair_topology(
    folders: tuple[Path, ...], replication_factor: int | None, virtual_nodes: int, dry_run: bool
) -> None:
    """Make one cluster of the nodes whose data is in FOLDERs, with all their keys.

    Use it for a cluster whose topology is damaged (an older version believed one from anybody), or that has
    permanently lost a majority of its members. Stop all nodes first. Give the folder of each member that
    stays, such as DATA_DIR/http:%2F%2Fnode1:8484.lmdb; if a folder was set aside (.removed-...), first give
    it its old name again. Also give the new .lmdb folders of nodes whose damaged data was set aside: they
    don't become members, but join the new cluster by themselves and fetch their keys. If the folders are on
    several machines, copy the node.json of each, in a folder of the node's name, to one machine, repair
    there, and copy them back. Members that you leave out can't return with their data: move it away before
    you start them again. Records are not changed; once the nodes run, `limedb admin repair` on each makes the
    replicas equal.
    """
    nodes = [repair.read(folder) for folder in folders]
    topology = repair.plan(nodes, replication_factor, virtual_nodes)
    for node in nodes:
        joins = "; its data was set aside: it will rejoin" if node.joins_as else ""
        click.echo(f"{node.url}: {node.wrong or 'its file is sound'}{joins}")
    click.echo(
        f"cluster {topology.cluster_id}, replication factor {topology.replication_factor},"
        f" {len(topology.members)} members:"
    )
    for member in topology.members:
        click.echo(f"  {member.url}  {member.virtual_nodes} virtual nodes  {member.zone}".rstrip())
    if dry_run:
        click.echo("nothing was written")
        return
    repair.write(nodes, topology)
    click.echo("written: start these nodes now; the previous files are kept as *.before-repair")
