"""Addresses to listen at or to dial.

It owns how they are written in options. It must never resolve a name.

Tested in tests/launch/test_envoy.py.
"""

import ipaddress
import re
from dataclasses import dataclass

from limedb.errors import ConfigError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen at or to dial. host: a name or an IP address, IPv6 without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it stands in URLs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ip(self) -> bool:
        """Whether the host needs no resolving."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def near(self) -> "Address":
        """Where this machine reaches what listens there: by loopback, if at all of its own addresses."""
        if not self.is_ip or not ipaddress.ip_address(self.host).is_unspecified:
            return self
        return Address("::1" if ":" in self.host else LOOPBACK, self.port)


def parse_address(setting: str, text: str) -> Address:
    """Parse host:port. ConfigError names the setting."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ConfigError(setting, text, "host:port")
    return Address(bare_host(host), int(port))


def bare_host(host: str) -> str:
    """A host without the brackets that URLs have around IPv6."""
    return host.removeprefix("[").removesuffix("]")
