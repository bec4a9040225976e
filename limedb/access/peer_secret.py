"""How nodes prove to each other that they belong together: by a secret that all of them share.

It owns the proof. It must never send the secret itself.

A caller sends HMAC-SHA256 of the name of the node that it means (`rpc/addressee.py`), keyed by the
secret. The node that answers computes the same. So a process at an address that leads elsewhere learns a
proof for only one name, and a node refuses calls that are meant for another name: that proof opens no other
node's replica or topology. Gossip dials nodes by any of their names, so there such a proof is valid
everywhere.

The proof carries no time: the clocks of nodes may be far apart, and gossip is how they find that out. Someone
who reads the traffic can repeat it. TLS prevents that, and gives each node an identity of its own; here,
a process that has the secret is a node (docs/decisions/0021-tokens-and-roles.md).

Tested in tests/access/test_peer_secret.py.
"""

import hmac

from limedb.access.tokens import is_same

HEADER = "limedb-proof-bin"
"""The metadata with the proof."""
MAX_KNOWN = 4096
"""The names of which proofs are kept."""
_PURPOSE = b"limedb peer\0"


class PeerSecret:
    """A cluster's secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._proofs: dict[bytes, bytes] = {}

    def proof(self, meant: bytes) -> bytes:
        """The proof for calls that are meant for the node of that name (UTF-8)."""
        proof = self._proofs.get(meant)
        if proof is None:
            proof = hmac.digest(self._secret, _PURPOSE + meant, "sha256")
            if len(self._proofs) < MAX_KNOWN:
                self._proofs[meant] = proof
        return proof

    def proves(self, meant: bytes, proof: bytes) -> bool:
        """Whether a proof is the one for a name."""
        return is_same(proof, self.proof(meant))
