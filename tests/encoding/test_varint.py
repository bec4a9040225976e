"""Numbers and heads are, byte for byte, what protobuf writes."""

from google.protobuf.wrappers_pb2 import BytesValue, UInt64Value
from hypothesis import example, given
from hypothesis import strategies as st

from limedb.encoding.varint import head, varint

TAG = b"\x0a"
"""Of field 1, with a length."""


@given(st.integers(1, 2**64 - 1))
@example(127)
@example(128)
@example(2**64 - 1)
def test_a_number_is_written_as_protobuf_does(number: int) -> None:
    assert b"\x08" + varint(number) == UInt64Value(value=number).SerializeToString()


def test_zero_is_one_byte() -> None:
    assert varint(0) == b"\x00"


@given(st.integers(1, 70_000))
@example(127)
@example(128)
def test_a_head_stands_before_the_bytes_of_a_field(size: int) -> None:
    assert head(TAG, size) + bytes(size) == BytesValue(value=bytes(size)).SerializeToString()
