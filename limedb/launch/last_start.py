"""The options of a local cluster's last start, so that the next start without options starts the same.

It owns `plan.json` in the cluster's folder, and the rule: an option that is given wins over a remembered one,
and the nodes whose data is there win over both. It must never start a process.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TypedDict, Unpack

from limedb import config
from limedb.errors import ConfigError, LaunchError
from limedb.launch.access import Access
from limedb.launch.addresses import LOOPBACK
from limedb.launch.certificates import LocalCertificates
from limedb.launch.places import Place, places_with_data
from limedb.launch.plan import LaunchPlan
from limedb.launch.records import Folder, Launch
from limedb.launch.secrets import has_secrets

NODES, BASE_PORT = 4, 7001
"""The defaults of a cluster, unless an option or the last start sets another value."""
_FILE = "plan.json"


class Given(TypedDict, total=False):
    """Options of a start. None, False, and empty values: not given. Their meaning: `LaunchPlan`."""

    nodes: int | None
    base_port: int | None
    host: str | None
    port: int | None
    with_envoy: bool | None
    access_log: bool
    settings: Mapping[str, str]
    empty: bool
    tls: bool
    access: Access
    auth: bool
    insecure: bool


@dataclass(frozen=True, slots=True)
class LastStart:
    """The remembered values. settings: with those that the nodes found in the environment. places: of the
    nodes; none: nothing is remembered about them.
    """

    places: tuple[Place, ...] = ()
    host: str = LOOPBACK
    port: int = config.DEFAULT_PORT
    with_envoy: bool = True
    access_log: bool = False
    insecure: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    access: Access = field(default_factory=Access)


def recall(folder: Folder, forget: bool = False, **given: Unpack[Given]) -> LaunchPlan:
    """Return the plan of a start with these options, and for the rest with those of the last one.
    Certificates and secrets in the folder mean that the cluster uses TLS and asks for tokens. forget: only
    the options count, besides the nodes whose data is there. ConfigError: --nodes or --base-port contradicts
    that data. LaunchError: the file is damaged.
    """
    last = LastStart() if forget else _read(folder)
    places = _places(folder, last, given)
    nodes, base_port = (len(last.places), last.places[0].port) if last.places else (NODES, BASE_PORT)
    tls = bool(given.get("tls")) or (not forget and LocalCertificates(folder.path).exist)
    auth = bool(given.get("auth")) or (not forget and has_secrets(folder.path))
    return LaunchPlan(
        folder,
        len(places) if places else given.get("nodes") or nodes,
        places[0].port if places else given.get("base_port") or base_port,
        given.get("host") or last.host,
        given.get("port") or last.port,
        _has_envoy(last, given),
        bool(given.get("access_log")) or last.access_log,
        _unless_in_environment(last.settings) | dict(given.get("settings", {})),
        bool(given.get("empty")),
        tls,
        _access(last.access, given.get("access", Access())),
        auth,
        bool(given.get("insecure")) or last.insecure,
        places,
    )


def remember(plan: LaunchPlan, launch: Launch) -> None:
    """Remember a start."""
    options = LastStart(
        (), plan.host, plan.port, plan.with_envoy, plan.access_log, plan.insecure, plan.shared_settings,
        plan.access,
    )  # fmt: skip
    _write(plan.folder, options, launch)


def remember_nodes(folder: Folder, launch: Launch) -> None:
    """Remember that nodes were added or removed; nothing, if an older version started the cluster."""
    if (folder.path / _FILE).exists():
        _write(folder, _read(folder), launch)


def _write(folder: Folder, last: LastStart, launch: Launch) -> None:
    places = tuple(Place(node.name, int(node.settings["SERVER_PORT"])) for node in launch.nodes)
    folder.put(_FILE, asdict(replace(last, places=places)))


def _read(folder: Folder) -> LastStart:
    path = folder.path / _FILE
    try:
        content = json.loads(path.read_text())
        return LastStart(
            places=tuple(Place(place["name"], place["port"]) for place in content["places"]),
            access=Access.from_json(content["access"]),
            **{name: content[name] for name in _PLAIN if name in content},
        )
    except FileNotFoundError:
        return LastStart()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LaunchError(
            f"{path} is damaged: give the options of the last start again, and --forget; that rewrites it"
        ) from None


_PLAIN = ("host", "port", "with_envoy", "access_log", "insecure", "settings")


def _places(folder: Folder, last: LastStart, given: Given) -> tuple[Place, ...]:
    """The places of nodes that were there; empty: the options decide."""
    stored = places_with_data(folder.path)
    names = {place.name for place in stored}
    known = last.places or (stored if folder.had_data() <= names else ())
    if not known or _is_as_given(known, given):
        return known
    if not names & {place.name for place in known}:
        return ()
    there = ", ".join(f"{place.name} at port {place.port}" for place in known)
    option = "--nodes" if given.get("nodes") not in (None, len(known)) else "--base-port"
    number = len(known) if option == "--nodes" else known[0].port
    raise ConfigError(
        option,
        given.get("nodes" if option == "--nodes" else "base_port"),
        f"{number}, or be left out: {folder.path} has the data of {there}, which can't be started otherwise."
        " limedb cluster add and remove change the number of nodes; another cluster needs another --data-dir",
    )


def _is_as_given(known: tuple[Place, ...], given: Given) -> bool:
    return given.get("nodes") in (None, len(known)) and given.get("base_port") in (None, known[0].port)


def _has_envoy(last: LastStart, given: Given) -> bool:
    """Whether Envoy runs: an option that is for Envoy asks for it."""
    with_envoy = given.get("with_envoy")
    return (last.with_envoy or bool(given.get("port"))) if with_envoy is None else with_envoy


def _unless_in_environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in os.environ}


def _access(last: Access, given: Access) -> Access:
    return Access(
        given.server_names or last.server_names,
        given.origins or last.origins,
        given.operators or last.operators,
        given.publish or last.publish,
    )
