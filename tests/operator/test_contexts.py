"""Clusters under names, in a file of their own.

Tests limedb/operator/private_files.py as well.
"""

from pathlib import Path

import pytest

from limedb.errors import ConfigError
from limedb.operator.contexts import Context, Contexts, contexts_at, load_contexts, store_contexts

PROD = Context("db1:8484,db2:8484", "/ca.pem", "", "", "/root.token")


def test_contexts_are_stored_where_only_their_owner_reads_them(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert load_contexts(environ) == Contexts()
    path = store_contexts(Contexts().having("prod", PROD).having("local", Context("a:1")), environ)
    assert path == tmp_path / "xdg" / "limedb" / "contexts.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_contexts(environ) == Contexts({"prod": PROD, "local": Context("a:1")}, "prod")


def test_the_first_one_is_used_until_another_is_chosen_or_it_is_removed() -> None:
    both = Contexts().having("prod", PROD).having("local", Context("a:1"))
    assert both.used == "prod"
    assert both.using("local").used == "local"
    assert both.without("prod") == Contexts({"local": Context("a:1")}, "")
    assert both.without("local").used == "prod"


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="one of these: prod"):
        Contexts().having("prod", PROD).get("prdo")
    with pytest.raises(ConfigError, match="there is none yet: limedb context add"):
        Contexts().using("prod")


@pytest.mark.parametrize("name", ["", "-x", "a b", "ä", "x" * 65, "a/b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        Contexts().having(name, PROD)


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ('{"contexts": {}}', 0o644),
        ("[]", 0o600),
        ("secret", 0o600),
        ('{"contexts": {"a": {}}}', 0o600),
        ("[" * 100_000, 0o600),
    ],
)
def test_a_file_that_is_open_or_damaged_is_refused_by_its_name_and_not_quoted(
    tmp_path: Path, content: str, mode: int
) -> None:
    environ = {"HOME": str(tmp_path)}
    path = contexts_at(environ)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"contexts\.json") as refused:
        load_contexts(environ)
    assert "secret" not in str(refused.value)


def test_what_a_later_version_adds_is_passed_over(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    path = store_contexts(Contexts().having("a", Context("a:1")), environ)
    path.write_text('{"contexts": {"a": {"target": "a:1", "zone": "x"}}, "used": "a", "later": 1}')
    assert load_contexts(environ) == Contexts({"a": Context("a:1")}, "a")
