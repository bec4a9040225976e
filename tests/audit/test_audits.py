"""What the audits of dependencies make of the answers that the tools give."""

import json

import pytest

from tests.audit.audits import accepted, of_npm, of_pip_audit

VULN = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": ["CVE-1"], "description": "bad"}
CLEAN = {"name": "click", "version": "8.1", "vulns": []}
SKIPPED = {"name": "mypkg", "skip_reason": "Dependency not found on PyPI and could not be audited: mypkg (1)"}


def pip(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_vulnerability_fails_unless_it_is_accepted_with_a_reason() -> None:
    outcome = of_pip_audit("a", "pypi", pip(CLEAN, {"name": "x", "version": "1.0", "vulns": [VULN]}))
    assert [str(finding) for finding in outcome.open({})] == ["x 1.0: PYSEC-1 CVE-1 (fixed in 2.0)"]
    assert "VULNERABLE" in outcome.lines({})[0]
    assert outcome.audited == 2
    known = accepted('CVE-1 = "not reached"')
    assert outcome.open(known) == []
    assert "accepted" in outcome.lines(known)[0]
    with pytest.raises(ValueError, match="CVE-2 has no reason"):
        accepted('CVE-2 = " "')


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", pip(SKIPPED, SKIPPED)])
def test_a_database_that_gives_no_answer_is_named_and_is_no_failure(answer: str) -> None:
    outcome = of_pip_audit("a", "osv", answer)
    assert outcome.open({}) == []
    assert outcome.audited == 0
    assert "osv" in outcome.lines({})[-1]


def test_packages_that_were_left_out_are_counted() -> None:
    outcome = of_pip_audit("a", "pypi", pip(CLEAN, SKIPPED))
    assert outcome.lines({}) == ["a: 1 packages audited; the database pypi says nothing of 1"]


def test_findings_of_npm_are_read_once_each() -> None:
    via = {
        "name": "vite",
        "url": "https://github.com/advisories/GHSA-1",
        "title": "reads files",
        "range": "<5",
    }
    answer = {
        "vulnerabilities": {"vite": {"via": [via, via]}, "plugin": {"via": ["vite"]}},
        "metadata": {"dependencies": {"total": 30}},
    }
    outcome = of_npm("b", json.dumps(answer))
    assert [str(finding) for finding in outcome.open({})] == ["vite <5: GHSA-1 reads files"]
    assert outcome.open({"GHSA-1": "only while developing"}) == []
    for refusal in ("", json.dumps({"message": "405 Method Not Allowed", "error": {}})):
        unreached = of_npm("b", refusal)
        assert unreached.open({}) == []
        assert "can't be reached" in unreached.lines({})[-1]
