"""Roles over prefixes: keys, ranges, and what may be given to others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.key_range import KeyRange, key_range
from limedb.core.rights import OF_KEYS, Grant, Identity, Role, parse_grant, span_of

SHORT = st.text(alphabet="ab\0\U0010ffff", max_size=3)


def user(*roles: str) -> Identity:
    return Identity("user", tuple(map(parse_grant, roles)))


@pytest.mark.parametrize("text", ["read", "read:a/", "operator", "watch:a:b", "write:ü"])
def test_a_grant_is_a_role_and_a_prefix(text: str) -> None:
    assert str(parse_grant(text)) == text


@pytest.mark.parametrize("text", ["read:", "admin:", "operator:"])
def test_an_empty_prefix_is_a_variable_that_was_not_set(text: str) -> None:
    with pytest.raises(ValueError, match="has an empty prefix"):
        parse_grant(text)


@pytest.mark.parametrize("text", ["", "node", "root", "READ", "operator:a", "read ", ":a", "read,write"])
def test_other_texts_are_no_grants(text: str) -> None:
    with pytest.raises(ValueError, match=r"a role is one of|takes no prefix"):
        parse_grant(text)


@pytest.mark.parametrize("role", [Role.READ, Role.WRITE, Role.WATCH])
def test_a_role_holds_for_the_keys_with_its_prefix(role: Role) -> None:
    one = Identity("one", (Grant(role, "a/"),))
    assert one.may(role, "a/x")
    assert one.may_name(role, b"a/x")
    assert not one.may(role, "a")
    assert not one.may(role, "b/x")
    assert not one.may_name(role, b"b/x")
    assert not any(one.may(other, "a/x") for other in set(OF_KEYS) - {role})


def test_admin_includes_the_other_roles_of_keys_but_not_operator() -> None:
    one = user("admin:a/")
    assert all(one.may(role, "a/x") and one.has(role) for role in OF_KEYS)
    assert not one.has(Role.OPERATOR)
    assert not user("operator").may(Role.READ, "a/x")
    assert user("operator").has(Role.OPERATOR)


def test_nobody_without_a_grant_may_do_anything() -> None:
    nobody = Identity("nobody", ())
    assert not any(nobody.has(role) or nobody.may(role, "") for role in OF_KEYS)
    assert not nobody.may_all(Role.READ, KeyRange("b", "a"))


def test_prefixes_that_touch_are_one_span() -> None:
    one = user("read:a", "read:b", "read:d", "read:abc")
    assert one.may_all(Role.READ, KeyRange("a", "c"))
    assert not one.may_all(Role.READ, KeyRange("a", "ca"))
    assert not one.may_all(Role.READ, KeyRange("a", "e"))
    assert not one.may_all(Role.READ, KeyRange("a"))
    assert user("read:\U0010ffff").may_all(Role.READ, KeyRange("\U0010ffff"))


@given(st.lists(SHORT, max_size=3), SHORT, SHORT, SHORT, SHORT)
def test_a_range_is_allowed_only_if_each_of_its_keys_is(
    prefixes: list[str], prefix: str, start: str, end: str, key: str
) -> None:
    one = Identity("one", tuple(Grant(Role.READ, each) for each in prefixes))
    keys = key_range(prefix, start, end)
    if one.may_all(Role.READ, keys) and keys.holds(key):
        assert one.may(Role.READ, key)
    assert one.may(Role.READ, key) == one.may_name(Role.READ, key.encode())


@given(SHORT, SHORT)
def test_a_prefix_within_one_is_allowed(prefix: str, more: str) -> None:
    one = Identity("one", (Grant(Role.READ, prefix),))
    assert one.may_all(Role.READ, span_of(prefix + more))


@pytest.mark.parametrize(
    ("by", "grant", "may"),
    [
        ("admin", "read", True),
        ("admin", "admin", True),
        ("admin", "operator", False),
        ("operator", "operator", False),
        ("operator", "read", False),
        ("admin:a/", "read:a/", True),
        ("admin:a/", "admin:a/b", True),
        ("admin:a/", "read:a", False),
        ("admin:a/", "read", False),
        ("write:a/", "write:a/", False),
    ],
)
def test_one_gives_only_what_lies_within_the_own_rights(by: str, grant: str, may: bool) -> None:
    assert user(by).may_grant(parse_grant(grant)) is may


def test_operators_are_made_by_operators_who_administer_all_keys() -> None:
    assert user("admin", "operator").may_grant(Grant(Role.OPERATOR))
    assert not user("admin:a", "operator").may_grant(Grant(Role.OPERATOR))
