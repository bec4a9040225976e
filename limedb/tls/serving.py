"""The certificates that a gRPC server shows and requires at its encrypted ports.

It owns gRPC's credentials for servers. It must never read a file.

Tested in tests/tls/test_dialling.py.
"""

from collections.abc import Callable
from typing import Protocol, cast

import grpc

from limedb.tls.keyring import Pems


class Keys(Protocol):
    """The present contents of the files."""

    current: Pems


def server_credentials(keys: Keys, asks_for_certificate: bool) -> grpc.ServerCredentials:
    """The credentials of one port. Each new connection gets the present certificate; existing connections are
    not touched. asks_for_certificate: whether callers must show one that a CA of `keys` issued.
    """
    asks, first = asks_for_certificate, keys.current
    changes = cast("Callable[[], grpc.ServerCertificateConfiguration]", _changes(keys, first, asks))
    return grpc.dynamic_ssl_server_credentials(_configuration(first, asks), changes, asks)


def _changes(
    keys: Keys, shown: Pems, asks: bool
) -> "Callable[[], grpc.ServerCertificateConfiguration | None]":
    """Called by gRPC for each connection, in a thread of its own: returns the new certificate, or None."""

    def fetch() -> "grpc.ServerCertificateConfiguration | None":
        nonlocal shown
        if keys.current is shown:
            return None
        shown = keys.current
        return _configuration(shown, asks)

    return fetch


def _configuration(pems: Pems, asks: bool) -> "grpc.ServerCertificateConfiguration":
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.cert)], pems.ca if asks else None)
