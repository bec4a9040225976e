"""Why a connection with TLS fails, in words.

It owns one handshake of its own, by Python's library, whose errors say what gRPC's don't. It must never be
used to decide whether a node is trusted, or reachable.
"""

import socket
import ssl
from contextlib import suppress

from limedb.tls.target import ClientTls, Target

SECONDS = 1.0
"""The time for the connection, and again for the answer to the own certificate."""
_ALERTS = {
    "CERTIFICATE_REQUIRED": "it wants a certificate, and got none",
    "UNKNOWN_CA": "it doesn't accept the certificate that it got: that is not from its CA",
    "CERTIFICATE_EXPIRED": "it doesn't accept the certificate that it got: that has expired",
    "CERTIFICATE_UNKNOWN": "it doesn't accept the certificate that it got",
    "BAD_CERTIFICATE": "it doesn't accept the certificate that it got",
}


def why(target: Target, expected: str = "") -> str:
    """Why nothing answers at a target; empty: TLS isn't the reason, or nobody knows. expected: the name that
    the certificate must have; empty: the host of the address. It blocks, for two seconds at most.
    """
    host, _, port = target.address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), SECONDS) as connection:
            return _handshake(connection, target.tls, expected or host)
    except (OSError, ValueError):
        return ""


def _handshake(connection: socket.socket, tls: ClientTls | None, name: str) -> str:
    try:
        with _context(tls).wrap_socket(connection, server_hostname=name) as encrypted:
            if tls is None:
                return "it speaks TLS: its CA is needed"
            with suppress(TimeoutError):
                encrypted.recv(1)  # an answer to the own certificate comes only now
        return ""
    except ssl.SSLCertVerificationError as error:
        return f"its certificate can't be trusted: {error.verify_message.rstrip('.')}"
    except ssl.SSLError as error:
        return "" if tls is None else _words(error)


def _words(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    for alert, words in _ALERTS.items():
        if alert in reason:
            return words
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING"):
        return "it doesn't speak TLS"
    return f"TLS failed: {reason.lower().replace('_', ' ')}" if reason else ""


def _context(tls: ClientTls | None) -> ssl.SSLContext:
    if tls is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["h2"])
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
        return context
    context = ssl.create_default_context(cafile=tls.ca)
    context.set_alpn_protocols(["h2"])
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    return context
