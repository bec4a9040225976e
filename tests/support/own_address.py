"""Where other machines reach this one."""

import socket


def own_address() -> str:
    """An address of this machine that isn't loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # chooses a route; nothing is sent
        return str(probe.getsockname()[0])
