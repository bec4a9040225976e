"""Why a connection with TLS fails, in words.

It owns one handshake of its own, by Python's library, whose errors contain what gRPC's don't. It must never
be used to decide whether a node is trusted, or reachable.

Tested in tests/tls/test_dialling.py.
"""

import socket
import ssl

from limedb.tls.target import ClientTls, Target

SECONDS = 1.0
"""The time for the connection, and again for the answer to the own certificate."""
_REFUSALS = ("CERTIFICATE", "UNKNOWN_CA")
"""The parts of the names of alerts by which a server refuses the client's certificate."""
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING")


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
            return _answer(encrypted, tls)
    except ssl.SSLCertVerificationError as error:
        return f"its certificate can't be trusted: {error.verify_message.rstrip('.')}"
    except ssl.SSLError as error:
        return "" if tls is None else _words(error, tls)


def _answer(encrypted: ssl.SSLSocket, tls: ClientTls) -> str:
    """The server's answer to the own certificate, which comes only now: in HTTP/2 the server sends first, so
    one that closes has refused.
    """
    try:
        return "" if encrypted.recv(1) else _refusal(tls)
    except ConnectionResetError:
        return _refusal(tls)
    except TimeoutError:
        return ""


def _refusal(tls: ClientTls) -> str:
    if tls.cert is None:
        return "it wants a certificate, and got none"
    return f"it doesn't accept the certificate {tls.cert}: from another CA, or expired"


def _words(error: ssl.SSLError, tls: ClientTls) -> str:
    reason = error.reason or ""
    if any(refusal in reason for refusal in _REFUSALS):
        return _refusal(tls)
    if reason in _NOT_TLS:
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
