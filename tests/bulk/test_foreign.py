"""Files in UTF-16, and packed ones, are refused as what they are."""

import bz2
import gzip
import lzma

import pytest

from limedb.bulk.foreign import HEAD_BYTES, check
from limedb.errors import BulkError

ROW = '{"key":"k","value":"v"}\n'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ROW.encode("utf-16"), "text in UTF-16"),
        (ROW.encode("utf-32"), "text in UTF-32"),
        (ROW.encode("utf-16-le"), "iconv -f UTF-16LE"),
        ("key,value\n".encode("utf-16-be"), "iconv -f UTF-16BE"),
        (gzip.compress(ROW.encode()), "packed by gzip"),
        (bz2.compress(ROW.encode()), "packed by bzip2"),
        (lzma.compress(ROW.encode()), "packed by xz"),
        (b"PK\x03\x04", "a ZIP archive"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else "file"
    ),  # not the bytes: gzip's have the time of day
)
def test_it_is_named_with_the_way_out(content: bytes, words: str) -> None:
    with pytest.raises(BulkError, match=rf"^a\.jsonl is .*{words}.*nothing was stored$"):
        check("a.jsonl", content[:HEAD_BYTES])


@pytest.mark.parametrize("content", ["", "{", ROW, "key,value\n", "\ufeffkey,v\n", "ä", "\n", "PK,value\n"])
def test_text_in_utf_8_is_none_of_them(content: str) -> None:
    check("a.csv", content.encode()[:HEAD_BYTES])
