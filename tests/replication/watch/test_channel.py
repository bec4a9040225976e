"""How a channel divides what was reported."""

from limedb.aio.turns import Turns
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.replication.watch.channel import OVERHEAD, PIECE_BYTES, Channel


def test_a_large_change_makes_a_piece_of_its_own() -> None:
    """So that a message exceeds what clients receive by default only if one value does."""
    channel = Channel(WatchFilter(), lambda: 1 << 30, Turns(lambda: 0.0), 0, 0)
    small = [Record(f"k{n:03}", "v" * 700, 1) for n in range(64)]
    channel.add([*small, Record("large", b"v" * (4 << 20), 1), *small], 0, 0, 0)
    pieces = [channel.piece(n) for n in range(channel.end)]
    assert [len(piece.records) for piece in pieces if piece.size > PIECE_BYTES] == [1]
    assert sum(len(piece.records) for piece in pieces) == 129
    fitting = PIECE_BYTES // (OVERHEAD + 4 + 700)
    assert len(pieces[0].records) == fitting, "as many as fit"
    taken, _ = channel.take(0, 0)
    assert all(len(piece.records) > 1 for piece in taken)
