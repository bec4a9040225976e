"""`limedb certs`: arguments and screens only."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from limedb.cli.certs_cluster import cluster
from limedb.cli.codes import FAILED
from limedb.cli.numbers import Number
from limedb.cli.options import Command, Group
from limedb.cli.output import JSON, TABLE, echo_json, output_option, show_rows
from limedb.core.node_urls import address_of
from limedb.errors import ConfigError

if TYPE_CHECKING:
    from limedb.tls.authority import Holder
    from limedb.tls.certificates import Facts
    from limedb.tls.folder import CertificateFolder

CA_DAYS, DAYS = 3650.0, 365.0
_dir = click.option(
    "--dir", "folder", default="certs", show_default=True, metavar="DIR", type=click.Path(path_type=Path),
    help="The folder of the certificates.",
)  # fmt: skip
_force = click.option("--force", is_flag=True, help="Replace files that are there.")
_csr = click.option("--csr", is_flag=True, help="Make a request for another CA, instead of a certificate.")


def _days(default: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--days", default=default, show_default=True, type=Number(0.01, 36_500), help="How long it is valid."
    )


@click.group(
    cls=Group,
    examples="""
    limedb certs init
    limedb certs node http://node1:8484
    limedb certs client alice
    """,
)
def certs() -> None:
    """Make and show the certificates of nodes and clients. docs/security.md has the steps."""


certs.add_command(cluster)


@certs.command(cls=Command, examples="limedb certs init --dir certs")
@click.option("--name", default="LimeDB CA", show_default=True, help="The name of the CA.")
@_days(CA_DAYS)
@_dir
@_force
def init(name: str, days: float, folder: Path, force: bool) -> None:
    """Make a CA: ca.pem, which every node and client gets, and ca.key, which only the issuer needs."""
    path = _folder(folder, force).make_authority(name, days)
    click.echo(f"{path} and ca.key; keep ca.key away from nodes: with it anyone can become one")


@certs.command(
    cls=Command,
    examples="""
    limedb certs node http://node1:8484
    limedb certs node http://node1:8484 --advertise 10.0.0.7:8484
    limedb certs node http://node1:8484 --csr
    """,
)
@click.argument("node_url", metavar="NODE_URL", envvar="NODE_URL")
@click.option(
    "--advertise",
    metavar="HOST:PORT",
    envvar="ADVERTISE_ADDRESS",
    help="Its ADVERTISE_ADDRESS, if it has one.",
)
@click.option("--host", "hosts", multiple=True, help="Another name or address at which clients reach it.")
@_csr
@_days(DAYS)
@_dir
@_force
def node(
    node_url: str,
    advertise: str | None,
    hosts: tuple[str, ...],
    csr: bool,
    days: float,
    folder: Path,
    force: bool,
) -> None:
    """Make the certificate of the node NODE_URL, for its clients and for the other nodes."""
    from limedb.tls.authority import node_holder

    try:
        own = [_host(address_of(node_url)), *([_host(advertise)] if advertise else []), *hosts]
        holder = node_holder(node_url, own)
    except ValueError as flaw:
        raise ConfigError("NODE_URL", node_url, str(flaw)) from None
    _make(folder, force, node_url, holder, days, csr)


@certs.command(cls=Command, examples="limedb certs server envoy --host limedb.example.com")
@click.argument("name")
@click.option(
    "--host", "hosts", multiple=True, required=True, help="A name or address at which clients reach it."
)
@_csr
@_days(DAYS)
@_dir
@_force
def server(name: str, hosts: tuple[str, ...], csr: bool, days: float, folder: Path, force: bool) -> None:
    """Make the certificate of a proxy in front of the nodes, such as Envoy."""
    from limedb.tls.authority import Holder, check_hosts

    try:
        holder = Holder("server", name, check_hosts(hosts))
    except ValueError as flaw:
        raise ConfigError("--host", " ".join(hosts), f"another one: {flaw}") from None
    _make(folder, force, name, holder, days, csr)


@certs.command(cls=Command, examples="limedb certs client alice")
@click.argument("name")
@_csr
@_days(DAYS)
@_dir
@_force
def client(name: str, csr: bool, days: float, folder: Path, force: bool) -> None:
    """Make the certificate of the client NAME."""
    from limedb.tls.authority import Holder

    _make(folder, force, name, Holder("client", name), days, csr)


@certs.command(cls=Command, examples="limedb certs join http://node4:8484 --token-file join.token")
@click.argument("node_url", metavar="NODE_URL", envvar="NODE_URL")
@click.option(
    "--token-file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file with the token of `limedb admin token join`.",
)
@click.option(
    "--target", default="", metavar="HOST:PORT", help="The node to ask. Default: as the token says."
)
@click.option(
    "--cert",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A client's certificate, if nodes ask for one.",
)
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), help="The key of --cert.")
@_dir
def join(
    node_url: str, token_file: Path, target: str, cert: Path | None, key: Path | None, folder: Path
) -> None:
    """Obtain the certificate of the new node NODE_URL with a join token. `limedb serve` does the same with
    JOIN_TOKEN_FILE.
    """
    from limedb.operator.joining import Files, read_token
    from limedb.operator.joining import join as obtain
    from limedb.tls.folder import file_name
    from limedb.tls.target import client_tls

    made, base = _folder(folder, False), file_name(node_url)
    if made.cert(base).exists():
        raise ConfigError("--dir", str(folder), f"without {made.cert(base)}: the node has its certificate")
    files = Files(made.ca, made.cert(base), made.key(base))
    obtain(read_token("--token-file", token_file), node_url, files, target, client_tls(None, cert, key))
    _show_settings(made, base, "TLS")


@certs.command(cls=Command, examples="limedb certs renew certs/node1-8484.pem")
@click.argument("files", nargs=-1, required=True, metavar="FILE..", type=click.Path(path_type=Path))
@_days(DAYS)
@_dir
def renew(files: tuple[Path, ...], days: float, folder: Path) -> None:
    """Replace certificates and their keys by new ones with the same names. Running nodes notice it, and lose
    no connection.
    """
    for path in files:
        _folder(folder, True).renew(path, days)
        click.echo(f"{path} is valid for another {days:g} days")


@certs.command(
    cls=Command,
    examples="""
    limedb certs revoke certs/node3-8484.pem
    limedb certs revoke --serial 1f3c0a
    """,
)
@click.argument("files", nargs=-1, metavar="[FILE..]", type=click.Path(path_type=Path))
@click.option(
    "--serial", "serials", multiple=True, metavar="HEX", help="A certificate by its number, without its file."
)
@_dir
def revoke(files: tuple[Path, ...], serials: tuple[str, ...], folder: Path) -> None:
    """Revoke certificates of nodes and clients: nodes that get the list ca.crl (TLS_REVOKED) no longer
    accept them. Without a certificate: make the list, if there is none.
    """
    from limedb.tls.certificates import facts_of
    from limedb.tls.folder import read

    try:
        numbers = [int(serial, 16) for serial in serials]
    except ValueError:
        raise ConfigError("--serial", " ".join(serials), "a number as `limedb certs show` has it") from None
    path = _folder(folder, False).revoke(files, numbers)
    for file in files:
        facts = facts_of(read(file)[0])
        click.echo(f"revoked {facts.role} {facts.subject} ({file}, serial {facts.serial:x})")
    for number in numbers:
        click.echo(f"revoked serial {number:x}")
    click.echo(f"{path.absolute()}: copy it to all nodes, as TLS_REVOKED; running nodes notice a new one")


@certs.command(
    cls=Command,
    examples="""
    limedb certs show certs/*.pem
    limedb certs show certs/node1-8484.pem -o json
    limedb certs show /etc/limedb/*.pem --expires-within 30 || echo "renew them"
    """,
)
@click.argument("files", nargs=-1, required=True, metavar="FILE..", type=click.Path(path_type=Path))
@click.option(
    "--expires-within",
    "least",
    metavar="DAYS",
    type=Number(0, 36_500),
    help="Exit with 1 if one of them expires within so many days, or has expired: for cron, since nodes look"
    " at their own files alone, and at none of Envoy and of clients.",
)
@output_option(TABLE)
def show(files: tuple[Path, ...], least: float | None, shape: str) -> None:
    """Show the content of certificates: the role, the names, the days left."""
    from limedb.tls.certificates import facts_of
    from limedb.tls.folder import read

    found = [(path, facts_of(read(path)[0])) for path in files]
    _show(found, shape)
    if least is not None and any(facts.days_left() <= least for _, facts in found):
        sys.exit(FAILED)


def _show(found: "Sequence[tuple[Path, Facts]]", shape: str) -> None:
    if shape == JSON:
        for path, facts in found:
            echo_json(_view(path, facts))
        return
    columns = ("FILE", "ROLE", "NAME", "ISSUER", ">DAYS LEFT", "SERIAL", "NAMES")
    now = datetime.now(UTC)
    show_rows(
        shape,
        columns,
        [
            (
                path,
                facts.role,
                facts.subject,
                facts.issuer,
                int(facts.days_left(now)),
                f"{facts.serial:x}",
                " ".join(facts.names),
            )
            for path, facts in found
        ],
    )


def _view(path: Path, facts: "Facts") -> dict[str, Any]:
    return {
        "file": str(path),
        "role": facts.role,
        "name": facts.subject,
        "issuer": facts.issuer,
        "begins": facts.begins.isoformat(),
        "ends": facts.ends.isoformat(),
        "daysLeft": round(facts.days_left(), 2),
        "names": list(facts.names),
        "user": facts.user,
        "serial": f"{facts.serial:x}",
        "key": facts.key,
    }


def _make(folder: Path, force: bool, name: str, holder: "Holder", days: float, csr: bool) -> None:
    """Make a certificate or a request, and print what its holder needs."""
    from limedb.tls.folder import file_name

    made, base = _folder(folder, force), file_name(name)
    if csr:
        path = made.request(base, holder)
        purposes = "client" if holder.role == "client" else "server and client"
        click.echo(f"{path}: have your CA issue exactly these names, for {purposes} authentication")
        return
    path = made.issue(base, holder, days)
    prefix = "TLS" if holder.role == "node" else "LIMEDB"
    if holder.role != "server":
        _show_settings(made, base, prefix)
    else:
        click.echo(f"{prefix}_CA={made.ca.absolute()}")
        click.echo(f"certificate {path.absolute()}, key {made.key(base).absolute()}")


def _show_settings(made: "CertificateFolder", base: str, prefix: str) -> None:
    click.echo(f"{prefix}_CA={made.ca.absolute()}")
    click.echo(f"{prefix}_CERT={made.cert(base).absolute()}\n{prefix}_KEY={made.key(base).absolute()}")


def _folder(path: Path, replaces: bool) -> "CertificateFolder":
    from limedb.tls.folder import CertificateFolder

    return CertificateFolder(path, replaces)


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
