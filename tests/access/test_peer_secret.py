"""The proof that nodes give each other."""

from limedb.access.peer_secret import MAX_KNOWN, PeerSecret

ONE, OTHER = b"http://a:1", b"http://b:1"


def test_a_proof_counts_for_one_name_and_one_secret() -> None:
    secret = PeerSecret("s" * 40)
    proof = secret.proof(ONE)
    assert secret.proves(ONE, proof)
    assert not secret.proves(OTHER, proof)
    assert not PeerSecret("t" * 40).proves(ONE, proof)
    assert not secret.proves(ONE, b"")
    assert b"s" * 40 not in proof


def test_names_of_strangers_fill_no_memory() -> None:
    secret = PeerSecret("s" * 40)
    for number in range(MAX_KNOWN + 10):
        secret.proves(str(number).encode(), b"x")
    assert len(secret._proofs) == MAX_KNOWN
    assert secret.proves(b"late", secret.proof(b"late"))
