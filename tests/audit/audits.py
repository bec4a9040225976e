"""Asks pip-audit and npm audit about what is locked.

It owns the reading of their answers, and of the exceptions. It must never take an answer that is none for a
clean one: a database that can't be reached is named.
"""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 30
"""How long an audit may take. Each of its requests may take REQUEST_SECONDS."""
REQUEST_SECONDS = 5
DATABASES = ("pypi", "osv")
"""Those that pip-audit can ask, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A vulnerability. ids: all its names."""

    package: str
    ids: tuple[str, ...]
    remedy: str = ""

    def is_accepted(self, exceptions: Mapping[str, str]) -> bool:
        """Whether somebody has decided that it doesn't matter here."""
        return any(each in exceptions for each in self.ids)

    def __str__(self) -> str:
        return f"{self.package}: {' '.join(self.ids)} {self.remedy}".rstrip()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit found. unasked: why the database knows nothing of some packages, or wasn't asked."""

    what: str
    findings: Sequence[Finding] = ()
    audited: int = 0
    unasked: str = ""

    def open(self, exceptions: Mapping[str, str]) -> list[Finding]:
        """The findings that nobody has accepted."""
        return [finding for finding in self.findings if not finding.is_accepted(exceptions)]

    def lines(self, exceptions: Mapping[str, str]) -> list[str]:
        """What is printed."""
        known = [f"{self.what}: VULNERABLE: {finding}" for finding in self.open(exceptions)]
        left = [f"{self.what}: accepted: {f}" for f in self.findings if f.is_accepted(exceptions)]
        end = f"; {self.unasked}" if self.unasked else ""
        return [*known, *left, f"{self.what}: {self.audited} packages audited{end}"]


def accepted(text: str) -> dict[str, str]:
    """The exceptions: the reason of each, by the name of the vulnerability. ValueError: one has no reason."""
    found = {str(name): str(reason).strip() for name, reason in tomllib.loads(text).items()}
    if empty := [name for name, reason in found.items() if not reason]:
        raise ValueError(f"exceptions.toml: {', '.join(empty)} has no reason")
    return found


def python(lock: Path) -> Outcome:
    """The packages of a lock file, by the first database that answers."""
    outcome = Outcome(f"pip-audit of {lock.name}")
    for database in DATABASES:
        command = [
            sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--no-deps",
            "--format", "json", "--progress-spinner", "off", "--vulnerability-service", database,
            "--timeout", str(REQUEST_SECONDS),
        ]  # fmt: skip
        outcome = of_pip_audit(outcome.what, database, _output(command, lock.parent))
        if outcome.audited:
            return outcome
    return outcome


def npm(folder: Path) -> Outcome:
    """The packages of a package-lock.json."""
    what = f"npm audit of {folder.name}"
    program = shutil.which("npm")
    if program is None:
        return Outcome(what, unasked="npm is not installed")
    command = [
        program,
        "audit",
        "--json",
        "--package-lock-only",
        f"--fetch-timeout={REQUEST_SECONDS}000",
        "--fetch-retries=0",
    ]
    return of_npm(what, _output(command, folder))


def of_pip_audit(what: str, database: str, answer: str) -> Outcome:
    """The outcome of an answer of pip-audit."""
    found = _json(answer)
    packages = found.get("dependencies")
    if not isinstance(packages, list):
        return Outcome(what, unasked=f"the database {database} can't be reached")
    audited = [package for package in packages if "vulns" in package and "skip_reason" not in package]
    findings = [
        Finding(
            f"{package['name']} {package['version']}",
            (vuln["id"], *vuln.get("aliases", ())),
            f"(fixed in {', '.join(vuln['fix_versions'])})" if vuln.get("fix_versions") else "",
        )
        for package in audited
        for vuln in package["vulns"]
    ]
    left = len(packages) - len(audited)
    why = f"says nothing of {left}" if audited else "can't be reached"
    return Outcome(what, findings, len(audited), f"the database {database} {why}" if left else "")


def of_npm(what: str, answer: str) -> Outcome:
    """The outcome of an answer of npm audit."""
    found = _json(answer)
    packages = found.get("vulnerabilities")
    if not isinstance(packages, dict):
        return Outcome(what, unasked="the database of npm can't be reached")
    findings = {
        (name, via["url"]): Finding(
            f"{name} {via.get('range', '')}".strip(), (via["url"].rpartition("/")[2],), via.get("title", "")
        )
        for name, package in packages.items()
        for via in package["via"]
        if isinstance(via, dict)
    }
    total = found.get("metadata", {}).get("dependencies", {}).get("total", 0)
    return Outcome(what, list(findings.values()), int(total))


def _output(command: list[str], folder: Path) -> str:
    """What a command prints; empty: it didn't end in time."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
