"""The rule for Envoys that listen beyond loopback.

It owns the commands that a refused one names. It must never decide: `core/exposure.py` does.

Envoy asks nobody for a token: nodes do. So an Envoy beyond loopback names `HEALTH_NAME` in its health checks
(`envoy.py`), and sends requests only to nodes that serve that name, which are those that ask for tokens.

Tested in tests/launch/test_exposure.py; with a real Envoy, in tests/scenarios/test_exposure.py.
"""

from collections.abc import Iterable

from limedb.core.exposure import Entrance, Exposure, check_exposure, is_loopback
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions


def check_cluster(places: Iterable[Address], has_tls: bool, asks: bool, insecure: bool) -> str:
    """The warning about the Envoy of a local cluster; empty: there is none. asks: whether its nodes ask for
    tokens. ExposedError: it must not start.
    """
    entrances = [Entrance(str(place), has_tls, asks) for place in places]
    return check_exposure("Envoy", entrances, insecure, _cluster_remedy)


def check_envoy(options: EnvoyOptions) -> str:
    """The warning about an Envoy with such a configuration; empty: there is none. ExposedError: it must not
    start. It uses only nodes that ask for tokens, unless it is insecure.
    """
    is_near = all(is_loopback(node.host) for node in options.nodes)
    has_tls = options.tls.listens is not None and (bool(options.tls.nodes_ca) or is_near)
    entrances = [Entrance(str(place), has_tls, not options.insecure) for place in options.places]
    if options.admin is not None:
        entrances.append(Entrance(str(options.admin), False, False))
    return check_exposure("Envoy", entrances, options.insecure, lambda exposure: _remedy(options, exposure))


def _cluster_remedy(exposure: Exposure) -> str:
    options = {"--tls": exposure.lacks_tls, "--auth": exposure.lacks_authentication}
    lacking = " and ".join(option for option, is_lacking in options.items() if is_lacking)
    return f"Add {lacking}, and the cluster makes what it needs for that in its folder"


def _remedy(options: EnvoyOptions, exposure: Exposure) -> str:
    if exposure.addresses == (str(options.admin),):
        return "Its admin page can have neither: give --admin an address of loopback, or leave it out"
    return (
        "Run limedb certs init; limedb certs server envoy --host NAME; limedb admin new-secret root.token."
        " Then give --tls-cert, --tls-key and --nodes-ca, and the nodes certificates, AUTH=required and"
        " ROOT_TOKEN_FILE=root.token"
    )
