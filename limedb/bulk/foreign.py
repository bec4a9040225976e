"""Files in none of the forms of an import: each of their lines would be bad, without a hint at the cause.

It owns how they are recognised by their beginning, and the advice. It must never read further.

Tested in tests/bulk/test_foreign.py.
"""

from limedb.errors import BulkError

HEAD_BYTES = 4
"""Bytes by which all of them are recognised."""

_UTF_16 = "text in UTF-16: write it as UTF-8, for example by iconv -f UTF-16{} -t UTF-8"
_PACKED = {
    b"\x1f\x8b": "packed by gzip: unpack it, for example by gzip -dc FILE | limedb import -",
    b"PK\x03\x04": "a ZIP archive, as spreadsheets are: save the table as CSV in UTF-8, or unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it, for example by zstd -dc FILE | limedb import -",
    b"BZh": "packed by bzip2: unpack it, for example by bzip2 -dc FILE | limedb import -",
    b"\xfd7zX": "packed by xz: unpack it, for example by xz -dc FILE | limedb import -",
}


def check(name: str, head: bytes) -> None:
    """BulkError: a file that begins like this is neither JSON lines nor CSV nor a data file, but of another
    known kind.
    """
    if what := _what(head):
        raise BulkError(f"{name} is {what}; nothing was stored")


def _what(head: bytes) -> str:
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "text in UTF-32: write it as UTF-8, for example by iconv -f UTF-32 -t UTF-8"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _UTF_16.format("")
    if b"\0" in head[:2] and head.strip(b"\0"):  # without a mark: one byte of an ASCII character is zero
        return _UTF_16.format("BE" if head.startswith(b"\0") else "LE")
    return next((what for magic, what in _PACKED.items() if head.startswith(magic)), "")
