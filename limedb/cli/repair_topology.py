"""`limedb repair-topology`: stopped nodes become a cluster again, where they can't by themselves."""

from pathlib import Path

import click

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
    type=click.IntRange(1, 15),
    help="How many replicas each key has. Default: what the nodes' files say.",
)
@click.option(
    "--virtual-nodes",
    type=click.IntRange(0, 4096),
    default=256,
    show_default=True,
    help="Points on the ring of nodes of which no file says it.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be written.")
def repair_topology(
    folders: tuple[Path, ...], replication_factor: int | None, virtual_nodes: int, dry_run: bool
) -> None:
    """Make one cluster of the nodes whose data is in FOLDERs, with all their keys.

    For clusters whose topology is damaged (an older version took one from anybody), and for those of which a
    majority is lost for good. Stop all nodes first. Give the folder of each member that is to stay, such as
    DATA_DIR/http:%2F%2Fnode1:8484.lmdb; a folder that was set aside (.removed-...) is renamed back before.
    Give the new .lmdb folders of nodes whose data was damaged and is set aside, too: these become no members,
    but join the new cluster by themselves and fetch.
    Where they are on several machines, copy the node.json of each, in a folder of the node's name, to one
    machine, repair there, and copy them back. Members that are left out never come back: move their data away
    before they are started again. Records aren't touched; once the nodes run, `limedb admin repair` on each
    brings replicas level.
    """
    nodes = [repair.read(folder) for folder in folders]
    topology = repair.plan(nodes, replication_factor, virtual_nodes)
    for node in nodes:
        joins = "; its data was set aside: it joins anew" if node.joins_as else ""
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
    click.echo("written: start these nodes now; the files from before are kept as *.before-repair")
