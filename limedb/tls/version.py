"""The version of TLS that a node's process uses: 1.3, and nothing older.

It owns two variables of the environment that gRPC reads once, so they must be set before it is imported.
GRPC_SSL_CIPHER_SUITES lists suites of TLS 1.2 (those of TLS 1.3 are not chosen by it): Python has no other
switch for the version. GRPC_VERBOSITY: gRPC writes a line for each handshake that fails, so that any stranger
could fill the log.

Tested in tests/tls/test_nodes.py and tests/tls/test_peer_rules.py.
"""

import os

NO_SUITE = "ECDHE-PSK-AES128-CBC-SHA"
"""The one suite of TLS 1.2 that is left. It needs a secret that both ends share, which nobody has: so it
never fits, whatever the kind of a certificate's key.
"""


def allow_only_tls_1_3() -> None:
    """Make this process refuse older versions, as a server and as a client."""
    os.environ["GRPC_SSL_CIPHER_SUITES"] = NO_SUITE


def log_no_handshakes() -> None:
    """Keep gRPC's lines about failed handshakes out of a node's log and off a terminal, unless somebody wants
    them: they repeat what a stranger has sent, line breaks too. Commands say themselves what is wrong.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
