"""The version of TLS that a node's process speaks: 1.3, and nothing older.

It owns GRPC_SSL_CIPHER_SUITES, a variable of the environment that gRPC reads once: Python has no other switch
for the version. The variable lists suites of TLS 1.2; those of TLS 1.3 are not chosen by it. It must be set
before gRPC is imported.

Tested in tests/tls/test_nodes.py.
"""

import os

NO_SUITE = "ECDHE-PSK-AES128-CBC-SHA"
"""The one suite of TLS 1.2 that is left. It needs a secret that both ends share, which nobody has: so it
never fits, whatever the kind of a certificate's key.
"""


def allow_only_tls_1_3() -> None:
    """Make this process refuse older versions, as a server and as a client."""
    os.environ["GRPC_SSL_CIPHER_SUITES"] = NO_SUITE
