"""The forms of files: what is written is read again, from any place, and a bad line is only that."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.bulk import csv_file, go_file, jsonl
from limedb.bulk.items import Item, Line, Place
from limedb.core.moment import MAX_EXPIRES_AT_MS, MIN_EXPIRES_AT_MS
from limedb.errors import BadItemError, BulkError

Read = Callable[[BinaryIO, Place], Iterator[Line]]

START = Place()
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
TIMES = st.just(0) | st.integers(MIN_EXPIRES_AT_MS, MAX_EXPIRES_AT_MS)
ITEMS = st.lists(st.builds(Item, KEYS, TEXTS | st.binary(max_size=30), TIMES), max_size=8)
PLAIN = st.lists(st.builds(Item, KEYS, TEXTS), max_size=8)


def lines(read: Read, data: bytes, start: Place = START) -> list[Line]:
    return list(read(io.BytesIO(data), start))


def go_data(items: list[Item]) -> bytes:
    return b"{" + b",\n".join(map(go_file.write, items)) + b"}\n"


def csv_data(items: list[Item]) -> bytes:
    return csv_file.header() + b"".join(map(csv_file.write, items))


def check_from_every_place(read: Read, data: bytes, items: list[Item]) -> None:
    """All items come from the start, and from behind each line exactly the rest of them."""
    whole = lines(read, data)
    assert [line.content for line in whole] == items
    for count, line in enumerate(whole, 1):
        assert lines(read, data, line.behind) == whole[count:]


@given(ITEMS)
def test_json_lines_are_read_as_they_were_written(items: list[Item]) -> None:
    check_from_every_place(jsonl.read, b"".join(map(jsonl.write, items)), items)


@given(ITEMS)
def test_csv_is_read_as_it_was_written(items: list[Item]) -> None:
    check_from_every_place(csv_file.read, csv_data(items), items)


@given(PLAIN)
def test_a_go_data_file_is_read_as_it_was_written(items: list[Item]) -> None:
    check_from_every_place(go_file.read, go_data(items), items)


@given(PLAIN)
def test_what_is_written_for_a_go_limedb_is_one_json_object(items: list[Item]) -> None:
    assert json.loads(go_data(items)) == {item.key: item.value for item in items}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nope", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"value":"v"}', '"key" must be a string'),
        ('{"key":"k"}', 'either "value" or "blob"'),
        ('{"key":"k","value":"v","blob":"aGk="}', 'either "value" or "blob"'),
        ('{"key":"k","value":5}', 'either "value" or "blob"'),
        ('{"key":"k","blob":"a"}', "not base64"),
        ('{"key":"","value":"v"}', "key is empty"),
        (json.dumps({"key": "k" * 4097, "value": "v"}), "too long"),
        ('{"key":"\\ud800","value":"v"}', "can't be written as UTF-8"),
        ('{"key":"k","value":"v","ttlMs":"soon"}', "ttlMs='soon'"),
        ('{"key":"k","value":"v","ttlMs":"1_000"}', "must be a whole number"),
        ('{"key":"k","value":"v","ttlMs":1e3}', "must be a whole number"),
        ('{"key":"k","value":"v","ttlMs":-1}', "ttlMs=-1: must be 1 to"),
        ('{"key":"k","value":"v","ttlMs":73786976294838206464}', "100 years"),
        ('{"key":"k","value":"v","expiresAtMs":-1}', "expiresAtMs=-1: must be"),
        ('{"key":"k","value":"v","expiresAtMs":1764415200}', "in milliseconds since 1970"),
        ('{"key":"k","value":"v","expiresAtMs":1764415200000000}', "in milliseconds since 1970"),
        ('{"key":"k","value":"v","expiresAtMs":1764415200000,"ttlMs":5}', "give one of them"),
        ("[" * 100_000, "nested too deeply"),
        ('{"key":"k","value":' + "9" * 6000 + "}", "a number of thousands of digits"),
        ('{"key":"k","value":"a\x00"}', "not JSON at character 22: invalid control character"),
        ('{"key":"k","val', "not JSON at character 12: unterminated string starting"),
        ('{"key":"k","value":"a"}{}', "not JSON at character 24: extra data"),
        ("[1]", "must be a JSON object, is an array"),
        ("null", "must be a JSON object, is null"),
        ("true", "must be a JSON object, is a truth value"),
        (
            '{"key":"k","value":"v","ttl":1000}',
            'unknown field "ttl"; a line has key, value, blob, expiresAtMs, ttlMs',
        ),
        ('{"key":"k","value":"v","":1}', 'unknown field ""'),
        ('{"key":"k","value":"v","key":"other"}', 'field "key" is there twice'),
    ],
)
def test_a_bad_json_line_is_reported_with_its_number_and_the_next_is_read(line: str, reason: str) -> None:
    good = b'{"key":"good","value":"v"}\n'
    first, bad, last = lines(jsonl.read, good + line.encode() + b"\n" + good)
    assert (first.content, last.content) == (Item("good", "v"), Item("good", "v"))
    assert isinstance(bad.content, BadItemError)
    assert (bad.number, reason in str(bad.content)) == (2, True), str(bad.content)


def test_an_entry_of_a_rest_scan_is_a_line() -> None:
    entry = b'{"key":"k","value":"v","size":1,"version":"117698","expiresAtMs":"0"}\n'
    (line,) = lines(jsonl.read, entry)
    assert line.content == Item("k", "v")


def test_bytes_that_are_no_text_are_a_bad_line() -> None:
    (bad,) = lines(jsonl.read, b'{"key":"\xff"}\n')
    assert str(bad.content) == "not JSON in UTF-8: byte 9 is 0xff"


def test_a_line_longer_than_the_limit_is_bad_and_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 50)
    long = json.dumps({"key": "k", "value": "v" * 1000}).encode() + b"\n"
    bad, good = lines(jsonl.read, long + b'{"key":"k","value":"v"}\n')
    assert "longer than 50 bytes" in str(bad.content)
    assert (good.content, good.number) == (Item("k", "v"), 2)


def test_empty_lines_are_nothing_and_the_last_line_needs_no_end() -> None:
    told = lines(jsonl.read, b'\n{"key":"k","value":"v","ttlMs":"60"}')
    assert [line.content for line in told] == [None, Item("k", "v", ttl_ms=60)]


def test_csv_columns_may_be_few_and_in_any_order() -> None:
    told = lines(csv_file.read, "\ufeffvalue,ttl_ms,key\r\nv,60,k\r\n".encode())
    assert [line.content for line in told] == [Item("k", "v", ttl_ms=60)]


@pytest.mark.parametrize("header", ["", "a,b\n", "key\n", "key,value,colour\n", "\xff\n"])
def test_a_csv_file_without_the_right_header_is_refused(header: str) -> None:
    with pytest.raises(BulkError):
        lines(csv_file.read, header.encode("latin-1"))


@pytest.mark.parametrize("header", ["key,value,value", "key,key,value", "key,value,ttl_ms,ttl_ms"])
def test_a_csv_file_that_names_a_column_twice_is_refused(header: str) -> None:
    with pytest.raises(BulkError, match="twice: which one counts"):
        lines(csv_file.read, f"{header}\nk,1,2,3\n".encode())


def test_a_csv_row_with_a_text_and_bytes_is_bad() -> None:
    bad, text, blob = lines(csv_file.read, b"key,value,blob\nk,text,AAA=\nk,text,\nk,,AAA=\n")
    assert str(bad.content) == "value and blob: give one of them"
    assert (text.content, blob.content) == (Item("k", "text"), Item("k", b"\0\0"))


def test_a_bad_csv_row_is_reported_with_its_number_and_the_next_is_read() -> None:
    data = b'key,value\nk,"two\nlines"\nonly\nx,"\xff\nuser,inside\n"\n\xff,v\nlast,v\n'
    told = lines(csv_file.read, data)
    bad = {line.number: str(line.content) for line in told if isinstance(line.content, BadItemError)}
    assert {number: error.partition(":")[0] for number, error in bad.items()} == {
        4: "1 fields, but the header names 2",
        5: "not UTF-8",
        8: "not UTF-8",
    }
    assert [line.content for line in told if isinstance(line.content, Item)] == [
        Item("k", "two\nlines"),
        Item("last", "v"),
    ]


KINDS = st.sampled_from(["v", "x,y", "v\nx,y\nz", '"\nx,y', 'v\n"x",y\n', "v\r\nx,y\r\n", "\udcff\nx,y\n"])
ROWS = st.lists(KINDS, max_size=5)


@given(ROWS, st.integers(0, 80), st.sampled_from([b'"', b"\xff", b'"\n', b"\r", b" ", b""]))
def test_no_key_is_invented_where_a_byte_of_a_csv_file_is_wrong(
    values: list[str], at: int, wrong: bytes
) -> None:
    """Each key begins with the number of its row, and no value holds one."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows((f"{n}", value) for n, value in enumerate(values))
    body = out.getvalue().encode(errors="surrogateescape")
    reading = csv_file.read(io.BytesIO(b"key,value\n" + body[:at] + wrong + body[at:]), START)
    with suppress(BulkError):
        for line in reading:
            if isinstance(line.content, Item):
                assert line.content.key.strip()[0].isdigit()


class Pipe(io.BytesIO):
    """Bytes that come once."""

    def seekable(self) -> bool:
        return False


def test_a_csv_file_with_an_odd_number_of_quotes_is_not_begun() -> None:
    reading = csv_file.read(io.BytesIO(b'key,value\na,"1"\nuser,inside\n"\nc,3\n'), START)
    with pytest.raises(BulkError, match=r"line 4 is not CSV: .* nothing was stored"):
        next(reading)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ('a,"1\nb,2\nc,3\n', "line 3 is not CSV: a quote is never closed.*this one and the 2 after it"),
        ('"a"b,c\nb,2\n', "line 3 is not CSV: it has other fields"),
        (
            'a, "blank before\nuser,inside"\n',
            "line 3 is not CSV: it has other fields",
        ),
        ("a,1\rb,2\n", "line 3 is not CSV: lines must end with LF or CRLF"),
        (f"a,{'v' * 200}\nb,2\n", "line 3 is not CSV: a line is longer than 100 bytes"),
        ('a,"' + "v\n" * 200 + '"\nb,2\n', "line 3 is not CSV: a value is longer than 100 bytes"),
    ],
)
def test_a_csv_file_is_read_up_to_the_row_whose_end_is_uncertain(
    monkeypatch: pytest.MonkeyPatch, rows: str, error: str
) -> None:
    monkeypatch.setattr(csv_file, "MAX_LINE", 100)
    reading = csv_file.read(Pipe(b"key,value\ngood,v\n" + rows.encode()), START)
    good = next(reading)
    assert (good.content, good.behind.line) == (Item("good", "v"), 2)
    with pytest.raises(BulkError, match=error):
        list(reading)


def test_entries_that_our_own_filesystem_store_wrote_are_read_and_tombstones_left_out() -> None:
    data = {
        "text": {"version": "5", "value": "v"},
        "bytes": {"version": "6", "blob": "aGk=", "expiresAtMs": "1764415200000"},
        "gone": {"version": "7", "tombstone": True},
        "wrong": 5,
    }
    told = [line.content for line in lines(go_file.read, json.dumps(data).encode())]
    assert told[:3] == [Item("text", "v"), Item("bytes", b"hi", 1764415200000), None]
    assert isinstance(told[3], BadItemError)


@pytest.mark.parametrize("data", [b"", b"[]", b"x", b'{"a":"b"', b'{"a":"b"}{"c":"d"}', b'{"a":"\xff"}'])
def test_what_is_no_go_data_file_is_refused_with_the_place(data: bytes) -> None:
    with pytest.raises(BulkError, match="not a JSON object of keys and values"):
        lines(go_file.read, data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"key":"a","value":"1"}\n{"key":"b","value":"2"}\n',
        b'\n {"key":"a","value":"1"} {"key":"b","value":"2"}',
        b'{"a":"b"}\nx',
    ],
)
def test_of_json_lines_no_key_is_made(data: bytes) -> None:
    made = []
    with pytest.raises(BulkError, match="several objects: JSON lines need --format jsonl"):
        made.extend(lines(go_file.read, data))
    assert made == []


@pytest.mark.parametrize("item", [Item("k", b"v"), Item("k", "v", expires_at_ms=5)])
def test_what_a_go_limedb_cannot_hold_is_not_written_for_it(item: Item) -> None:
    with pytest.raises(BadItemError, match="export to jsonl"):
        go_file.write(item)
