"""A certificate, its key and its CAs, as their files have them now.

It owns the reading of the three files, their check, and the following of their changes. After a change, it
ignores files that can't be used: the node continues with the earlier ones, and reports that. It must never
write a file.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from limedb.core.problems import Problem
from limedb.errors import ConfigError
from limedb.tls import certificates
from limedb.tls.certificates import Facts
from limedb.tls.names import node_name
from limedb.tls.paths import TlsPaths
from limedb.tls.secrecy import is_open_file

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The time between two checks of the files."""
WARN_DAYS = 30.0
"""A certificate that expires sooner is a problem."""
REMIND_SECONDS = 24 * 3600.0
"""The time between two lines of the log about that."""


class Pems(NamedTuple):
    """The contents of the files. ca: empty: there is none."""

    cert: bytes
    key: bytes
    ca: bytes


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Keyring:
    """The files at some paths. node_url: the node that the certificate must name; empty: it is only for
    clients, which compare it with the host that they dial. now: the time.

    ConfigError: they can't be used.
    """

    def __init__(self, paths: TlsPaths, node_url: str = "", now: Callable[[], datetime] = _utc_now) -> None:
        self.paths, self._node_url, self._now = paths, node_url, now
        self._seen, self._open = self._stamp(), ""
        self.current, self.facts = self._load()
        self.trouble = ""
        self._look_at_key()
        self._reminded = -REMIND_SECONDS

    @property
    def days_left(self) -> float:
        """The days until the certificate expires; negative: it has."""
        return self.facts.days_left(self._now())

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while True:
            self._remind(asyncio.get_running_loop().time())
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take the files as they are now, if they have changed and can be used."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            pems, facts = self._load()
        except ConfigError as error:
            # Seen only once it can be used: a certificate may be replaced some moments before its key.
            if str(error) != self.trouble:
                log.warning("%s; the node continues with the certificate that it has", error)
            self.trouble = str(error)
            return
        self._seen, self.trouble = stamp, ""
        self._look_at_key()
        if pems != self.current:
            self.current, self.facts = pems, facts
            self._reminded = -REMIND_SECONDS
            path, days = self.paths.cert, self.days_left
            log.info("%s has changed: new connections use it; it expires in %.0f days", path, days)

    def problems(self) -> Iterator[Problem]:
        """The warnings that the certificate expires soon, that others may read its key, or that a new one
        can't be used.
        """
        if text := self._expiry():
            yield Problem(text, is_private=True)
        if self._open:
            yield Problem(self._open, is_private=True)
        if self.trouble:
            text = f"{self.trouble}; the node continues with the certificate that it has"
            yield Problem(text, is_private=True)

    def _look_at_key(self) -> None:
        """Warn of a key that others may read. It is used all the same: mounted volumes often allow no better,
        and an update must not stop nodes.
        """
        path, is_known = self.paths.key, bool(self._open)
        self._open = f"others than its owner can read {path}: chmod 600 {path}" if is_open_file(path) else ""
        if self._open and not is_known:
            log.warning("%s", self._open)

    def _expiry(self) -> str:
        days = self.days_left
        if days >= WARN_DAYS:
            return ""
        when = f"expires in {days:.0f} days, on {self.facts.ends:%Y-%m-%d}"
        if days <= 0:
            when = f"has expired, on {self.facts.ends:%Y-%m-%d}: nobody can connect"
        return f"the certificate {self.paths.cert} {when}; `limedb certs renew` makes a new one"

    def _remind(self, now: float) -> None:
        if (text := self._expiry()) and now >= self._reminded + REMIND_SECONDS:
            log.warning("%s", text)
            self._reminded = now

    def _stamp(self) -> tuple[object, ...]:
        """A value that changes when a file does, or a link to it."""
        paths = self.paths
        return tuple(stamp_of(path) for path in (paths.cert, paths.key, paths.ca) if path is not None)

    def _load(self) -> tuple[Pems, Facts]:
        paths = self.paths
        pems = Pems(
            self._content("CERT", paths.cert),
            self._content("KEY", paths.key),
            self._content("CA", paths.ca) if paths.ca is not None else b"",
        )
        return pems, self._checked(pems)

    def _content(self, what: str, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._flaw(what, path, f"a file that can be read: {error.strerror}") from None

    def _checked(self, pems: Pems) -> Facts:
        paths = self.paths
        chain = self._certificates("CERT", paths.cert, pems.cert)
        facts = certificates.facts_of(chain[0])
        try:
            is_pair = certificates.belongs(pems.key, chain[0])
        except ValueError as flaw:
            raise self._flaw("KEY", paths.key, f"a key: {flaw}") from None
        if not is_pair:
            raise self._flaw("KEY", paths.key, f"the key of {paths.cert}, which has another one")
        if paths.ca is not None and self._node_url:
            authorities = self._certificates("CA", paths.ca, pems.ca)
            if not certificates.comes_from(chain, authorities):
                raise self._flaw("CERT", paths.cert, f"a certificate that a CA in {paths.ca} has issued")
        self._check_facts(facts)
        return facts

    def _check_facts(self, facts: Facts) -> None:
        path, now = self.paths.cert, self._now()
        if now < facts.begins:
            raise self._flaw("CERT", path, f"valid now: it begins at {facts.begins:%Y-%m-%d %H:%M} UTC")
        if now >= facts.ends:
            raise self._flaw("CERT", path, f"valid now: it expired at {facts.ends:%Y-%m-%d %H:%M} UTC")
        if not facts.serves:
            raise self._flaw("CERT", path, "one for servers: it is for clients only")
        if not self._node_url:
            return
        try:
            name = node_name(self._node_url)
        except ValueError as flaw:
            raise ConfigError("NODE_URL", self._node_url, str(flaw)) from None
        if name not in (known.lower() for known in facts.names):
            raise self._flaw(
                "CERT", path, f"that of {self._node_url}: it names {', '.join(facts.names)}, and not {name}"
            )
        if not facts.calls:
            raise self._flaw("CERT", path, "one for clients too, since nodes call each other")

    def _certificates(self, what: str, path: Path, pem: bytes) -> list[x509.Certificate]:
        try:
            return certificates.read(pem)
        except ValueError as flaw:
            raise self._flaw(what, path, f"a certificate: {flaw}") from None

    def _flaw(self, what: str, path: Path, must: str) -> ConfigError:
        return ConfigError(f"{self.paths.kind}_{what}", str(path), must)


def stamp_of(path: Path) -> tuple[int, ...]:
    """A value that changes when a file does; empty: it isn't there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode
