"""The rule for all that listens beyond loopback: TLS, and callers that prove who they are.

It owns the decision whether a process may listen where it wants to, judged by the addresses and by the proof
that callers must give there, and the sentences about it. Nodes, `limedb cluster start` and `limedb
envoy-config` ask it. It must never read a setting.

On loopback nothing is needed. An IP address shows by itself whether it is loopback; of all names only
`localhost` counts (RFC 6761), since any other may lead elsewhere tomorrow.
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import NamedTuple

from limedb.errors import ExposedError

SETTING = "INSECURE"
GUIDE = "docs/security.md"
HEALTH_NAME = "limedb.exposed"
"""The service that an Envoy beyond loopback names in its health checks. A node serves it only if it
identifies its callers, so that such an Envoy sends nothing to a node that takes requests from anyone.
"""


class Entrance(NamedTuple):
    """A place where a process listens. address: host:port, IPv6 in brackets. encrypts: whether it uses only
    TLS. authenticates: whether callers prove who they are.
    """

    address: str
    encrypts: bool
    authenticates: bool


class Exposure(NamedTuple):
    """The missing protection. addresses: those beyond loopback that lack something. lacks_tls,
    lacks_authentication: whether one of them lacks it.
    """

    addresses: tuple[str, ...]
    lacks_tls: bool
    lacks_authentication: bool

    @property
    def lacks(self) -> str:
        """The missing protection, in words."""
        found = {"TLS": self.lacks_tls, "authentication": self.lacks_authentication}
        return " and ".join(name for name, is_lacking in found.items() if is_lacking)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host: an IP address, IPv6 without brackets, or a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)


def exposure_of(entrances: Iterable[Entrance]) -> Exposure | None:
    """The places that are open beyond loopback; None: there is none."""
    open_ones = [
        each
        for each in entrances
        if not (is_loopback(host_of(each.address)) or (each.encrypts and each.authenticates))
    ]
    if not open_ones:
        return None
    return Exposure(
        tuple(each.address for each in open_ones),
        not all(each.encrypts for each in open_ones),
        not all(each.authenticates for each in open_ones),
    )


def check_exposure(
    who: str, entrances: Iterable[Entrance], insecure: bool, remedy: Callable[[Exposure], str]
) -> str:
    """Return the warning of a process that may listen there only because of INSECURE; empty: it may anyway.

    who: the process. insecure: whether INSECURE is set. remedy: the steps that help, with the commands.
    ExposedError: it must not start.
    """
    exposure = exposure_of(entrances)
    if exposure is None:
        return ""
    addresses = " and ".join(exposure.addresses)
    if not insecure:
        raise ExposedError(
            f"{who} would listen at {addresses}, which other machines reach, without {exposure.lacks}."
            f" {remedy(exposure)} ({GUIDE}). {SETTING}=true starts it as it is, open to anyone who reaches it"
        )
    can = "read, write and change everything" if exposure.lacks_authentication else "read along, tokens too"
    who_can = "anyone who reaches it" if exposure.lacks_authentication else "anyone on the way to it"
    return (
        f"{SETTING}=true: {who} listens at {addresses}, which other machines reach, without {exposure.lacks}:"
        f" {who_can} can {can} ({GUIDE})"
    )


def host_of(address: str) -> str:
    """The host of host:port, IPv6 without brackets."""
    return address.rpartition(":")[0].removeprefix("[").removesuffix("]")
