"""The output of `limedb cluster`: what runs where, and what a command did.

Tested in tests/launch/test_changes.py.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from limedb.cli.output import JSON, echo_json
from limedb.core.visible import shell_word
from limedb.launch.records import Folder, Launch, Service

USUAL_TARGET = "localhost:8484"


def fields_of(service: Service) -> dict[str, object]:
    """A service as JSON has it."""
    return {
        "name": service.name,
        "url": service.url,
        "state": service.state,
        "pid": service.pid.number if service.pid and service.state != "dead" else None,
        "log": str(service.log),
    }


def show_states(launch: Launch, shape: str) -> None:
    """Print the processes, a line or an object each."""
    for service in launch.services:
        if shape == JSON:
            echo_json(fields_of(service), None)
        else:
            pid = service.pid.number if service.pid else "-"
            click.echo(f"{service.name:<10} {service.state:<8} {pid:<8} {service.url}")


def show_deed(shape: str, service: Service, did: str, words: str = "", **facts: object) -> None:
    """Print what was done with a service: a line, or an object. words: ends the line."""
    if shape == JSON:
        echo_json({"did": did, **fields_of(service), **facts}, None)
    else:
        click.echo(f"{service.name} {words or f'is {did}'}")


def show_deeds(shape: str, services: Iterable[Service], did: str) -> None:
    """Print that the same was done with services."""
    for service in services:
        show_deed(shape, service, did)


def show_stopped(shape: str, folder: Folder, launch: Launch) -> None:
    """Print that a cluster was stopped, and how it starts again."""
    if shape == JSON:
        show_deeds(shape, launch.services, "stopped")
    else:
        again = f"{tool()} cluster start --data-dir {shell_word(str(folder.path))}"
        click.echo(f"{_count(launch)} stopped; the same cluster starts again by: {again}")


def show_started(shape: str, folder: Folder, launch: Launch) -> None:
    """Print that a cluster runs in the background."""
    if shape == JSON:
        show_deeds(shape, launch.services, "started")
    else:
        click.echo(f"{_count(launch)} ready; {folder.cluster_file} says where")
        show_places(launch, click.echo)


def show_places(launch: Launch, say: Callable[[str], None]) -> None:
    """Print where everything is, and what to try."""
    target = launch.envoy or launch.nodes[0]
    if launch.envoy:
        say(f"Dashboard  {launch.envoy.url}/")
        say(f"REST       {launch.envoy.url}/api/v1/")
    say(f"gRPC       {target.target.address}")
    if launch.envoy and launch.access.operators and str(launch.access.operators) != launch.envoy.address:
        say(f"Operators  {launch.access.operators}")
    for node in launch.nodes:
        say(f"{node.name:<10} {node.url}  {node.log}")
    say("Try:")
    for line in _trials(launch, target):
        say(f"  {line}")


def _trials(launch: Launch, target: Service) -> Iterable[str]:
    if target.target.address.replace("127.0.0.1", "localhost") != USUAL_TARGET:
        yield f"export LIMEDB_TARGET={target.target.address}"
    if root := launch.nodes[0].settings.get("ROOT_TOKEN_FILE"):
        yield f"export LIMEDB_TOKEN_FILE={shell_word(root)}"
    tls = target.target.tls
    if tls is not None:
        yield f"export LIMEDB_CA={shell_word(str(tls.ca))}"
    yield f"{tool()} {'whoami' if root else 'status'}"
    if launch.envoy and not root:
        cacert = f"--cacert {shell_word(str(tls.ca))} " if tls else ""
        yield f"""curl {cacert}-d '{{"key":"lime","value":"green"}}' {launch.envoy.url}/api/v1/set"""
    how = f"-cacert {shell_word(str(tls.ca))}" if tls else "-plaintext"
    token = f'-H "authorization: Bearer $(cat {shell_word(root)})" ' if root else ""
    address = launch.nodes[0].address
    yield f"""{tool("grpcurl")} {how} {token}-d '{{"key":"lime"}}' {address} limedb.v1.KVService/Get"""


def tool(name: str = "limedb") -> str:
    """How a shell here starts a tool that this Python has: by its name if that finds it, else by its path."""
    ours = Path(sys.executable).parent / name
    if shutil.which(name) is None and ours.exists():
        return shell_word(os.path.relpath(ours) if ours.is_relative_to(Path.cwd()) else str(ours))
    return name


def _count(launch: Launch) -> str:
    nodes = "1 node" if len(launch.nodes) == 1 else f"{len(launch.nodes)} nodes"
    return f"{nodes} and Envoy are" if launch.envoy else f"{nodes} {'is' if nodes == '1 node' else 'are'}"
