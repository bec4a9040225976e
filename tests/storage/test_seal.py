"""The checksum of stored records: whatever bit is flipped, the record is not taken for whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.storage.seal import SEAL_SIZE, is_sound, opened, record_of, sealed

RECORD = Record("key", "value", 7)
WHOLE = sealed(encode(RECORD))


def test_what_is_sealed_is_opened() -> None:
    assert opened(WHOLE) == encode(RECORD)
    assert record_of(WHOLE) == RECORD
    assert len(WHOLE) == SEAL_SIZE + len(encode(RECORD))


@pytest.mark.parametrize("bit", range(len(WHOLE) * 8))
def test_any_flipped_bit_is_found(bit: int) -> None:
    flipped = bytearray(WHOLE)
    flipped[bit // 8] ^= 1 << bit % 8
    assert opened(bytes(flipped)) is None
    assert record_of(bytes(flipped)) is None


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_record_is_found(size: int) -> None:
    assert opened(WHOLE[:size]) is None


def test_a_record_under_another_key_is_not_sound() -> None:
    assert is_sound("key", encode(RECORD))
    assert not is_sound("other", encode(RECORD))
    assert not is_sound("key", b"no record")


def test_sealed_bytes_that_are_no_record_are_damage() -> None:
    assert record_of(sealed(b"no record")) is None
