"""Transactions from the shell. Tests limedb/cli/txn.py."""

from tests.cli.test_commands import Run, Told, run

__all__ = ["run"]


def test_keys_change_together(run: Run, told: Told) -> None:
    done = run(
        "txn", "--if-absent", "{cli}a", "--set", "{cli}a=1=2", "--set", "{cli}b=", "--incr", "{cli}n=-5"
    )
    assert (done.returncode, done.stdout) == (0, "-5\n")
    assert run("get", "{cli}a").stdout == "1=2\n"
    again = run(
        "txn",
        "--if-absent",
        "{cli}a",
        "--set",
        "{cli}a=never",
        "--else-get",
        "{cli}a",
        "--else-set",
        "{cli}c=x",
    )
    assert (again.returncode, again.stdout) == (6, "1=2\n")
    version = told("get", "{cli}a")["version"]
    answer = told(
        "txn", "--if-version", f"{{cli}}a={version}", "--if", "{cli}b=", "--del", "{cli}b", "--incr", "{cli}n"
    )
    assert answer["succeeded"] is True
    assert answer["responses"] == [
        {"step": "del", "key": "{cli}b"},
        {"step": "incr", "key": "{cli}n", "value": "-4"},
    ]
    table = run("txn", "--get", "{cli}a", "--get", "{cli}b", "--if-exists", "{cli}c", "-o", "table")
    assert table.returncode == 0
    assert "STEP" in table.stdout
    assert "1=2" in table.stdout


def test_a_tag_may_have_an_equals_sign(run: Run) -> None:
    assert run("txn", "--set", "{a=b}c=d").returncode == 0
    assert run("get", "{a=b}c").stdout == "d\n"


def test_what_makes_no_sense_is_refused_in_a_line(run: Run) -> None:
    for wrong, text in (
        (("--set", "{cli}a"), "has no =: give KEY=VALUE"),
        (("--if-version", "{cli}a=1.5"), "is not a whole number from 0 to"),
        (("--if-version", "{cli}a=-1"), "is not a whole number from 0 to"),
        (("--incr", "{cli}a=9223372036854775808"), "is not a whole number from -9223372036854775808"),
        (("--set", "a=1"), "has no tag"),
        (("--set", "{a}x=1", "--del", "{b}x"), "different tags"),
        ((), "names no key"),
    ):
        refused = run("txn", *wrong)
        assert (refused.returncode, refused.stdout) == (2, ""), wrong
        assert text in refused.stderr
