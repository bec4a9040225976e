"""`limedb envoy-config`: arguments only.

Tested in tests/cli/test_app.py.
"""

from pathlib import Path

import click

from limedb.cli.access_options import access_options, host_of_option
from limedb.cli.numbers import Whole
from limedb.config import DEFAULT_PORT
from limedb.errors import ConfigError
from limedb.launch import envoy
from limedb.launch.access import Access
from limedb.launch.addresses import Address, parse_address
from limedb.launch.exposure import check_envoy
from limedb.wire import descriptors


@click.command("envoy-config")
@click.option(
    "--node",
    "nodes",
    multiple=True,
    required=True,
    metavar="URL[=HOST:PORT]",
    help="A node's URL, and the address at which Envoy reaches it if that differs. Once for each node.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, callback=host_of_option,
    help="The address that Envoy listens on.",
)  # fmt: skip
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=Whole(0, 65535))
@click.option(
    "--admin",
    metavar="HOST:PORT",
    help="The address of Envoy's admin page; port 0: the kernel chooses one. Anyone who reaches it can stop"
    " Envoy, and so can a page in a browser on its machine. Default: no such page.",
)
@click.option(
    "--descriptor",
    metavar="PATH",
    help="The path at which Envoy will find the descriptor set. Default: the one in the package.",
)
@click.option("--otel", metavar="HOST:PORT", help="An OTLP collector (gRPC) for traces. Default: no tracing.")
@click.option("--access-log", is_flag=True, help="Log each request on stdout.")
@click.option(
    "--max-body",
    default=envoy.BODY_LIMIT,
    show_default=True,
    type=Whole(1024, 1 << 30),
    metavar="BYTES",
    help="The largest JSON body. A value may take up to six times its size there.",
)
@click.option("--tls-cert", metavar="PATH", help="Serve HTTPS with this certificate. Default: HTTP.")
@click.option("--tls-key", metavar="PATH", help="The key of --tls-cert.")
@click.option("--nodes-ca", metavar="PATH", help="Reach nodes with TLS; the CA of their certificates.")
@click.option("--nodes-cert", metavar="PATH", help="The certificate to show to nodes that ask for one.")
@click.option("--nodes-key", metavar="PATH", help="The key of --nodes-cert.")
@click.option(
    "--sds",
    metavar="PATH",
    help="Make Envoy follow changes of its certificates, by files in the folder PATH, which this command"
    " writes. Default: it reads them once, at its start.",
)
@click.option(
    "--sds-out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder to write these files to, if Envoy runs elsewhere. Default: that of --sds.",
)
@click.option(
    "--insecure",
    is_flag=True,
    envvar="INSECURE",
    help="Let it listen beyond loopback without TLS, and use nodes that ask nobody for a token.",
)
@access_options(
    "Where operators' services (limedb admin) are published: another address, which only operators should"
    " reach, or that of --host and --port. Default: nowhere."
)
def envoy_config(
    nodes: tuple[str, ...],
    host: str,
    port: int,
    admin: str | None,
    descriptor: str | None,
    otel: str | None,
    access_log: bool,
    max_body: int,
    tls_cert: str | None,
    tls_key: str | None,
    nodes_ca: str | None,
    nodes_cert: str | None,
    nodes_key: str | None,
    sds: str | None,
    sds_out: Path | None,
    access: Access,
    insecure: bool,
) -> None:
    """Print an Envoy configuration for some nodes. All paths are paths on Envoy's machine.

    \b
    Example: for this machine, and for others (docs/security.md)
      limedb envoy-config --node http://localhost:7001 --node http://localhost:7002
      limedb envoy-config --host 0.0.0.0 --node http://node1:8484 --node http://node2:8484 \\
        --nodes-ca certs/ca.pem --tls-cert certs/envoy.pem --tls-key certs/envoy.key
    """  # noqa: D301 (click looks for the character, not for its escape)
    options = envoy.EnvoyOptions(
        nodes=tuple(envoy.parse_node(node) for node in nodes),
        listen=Address(host, port),
        admin=parse_address("--admin", admin) if admin else None,
        descriptor=descriptor or str(descriptors.path()),
        otel=parse_address("--otel", otel) if otel else None,
        access_log=access_log,
        max_body=max_body,
        tls=envoy.EnvoyTls(
            _shown("--tls-cert", "--tls-key", tls_cert, tls_key),
            nodes_ca or "",
            _shown("--nodes-cert", "--nodes-key", nodes_cert, nodes_key),
            (sds or "").rstrip("/"),
        ),
        access=access,
        insecure=insecure,
    )
    if warning := check_envoy(options):
        click.echo(f"warning: {warning}", err=True)
    if sds:
        envoy.write_secrets(sds_out or Path(sds), options.tls)
    elif sds_out:
        raise ConfigError("--sds-out", sds_out, "given together with --sds")
    click.echo(envoy.render(options), nl=False)


def _shown(cert_option: str, key_option: str, cert: str | None, key: str | None) -> envoy.Shown | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        missing, given = (cert_option, key_option) if cert is None else (key_option, cert_option)
        raise ConfigError(missing, "", f"given together with {given}")
    return envoy.Shown(cert, key)
