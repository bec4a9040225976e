"""The rule for nodes that listen beyond loopback, and their report if it is off.

It owns the commands that a refused node names. It must never decide: `core/exposure.py` does.

Tested in tests/scenarios/test_exposure.py.
"""

import logging
from collections.abc import Iterator

from limedb.config import Config
from limedb.core.exposure import SETTING, Exposure, check_exposure
from limedb.core.problems import Problem
from limedb.node.encryption import Encryption
from limedb.rpc.server.health import Health

log = logging.getLogger(__name__)


class NodeExposure:
    """Check whether a node may listen at the addresses of its settings. ExposedError: it must not."""

    def __init__(self, config: Config, encryption: Encryption) -> None:
        self._config = config
        self._warning = check_exposure(
            f"the node {config.node_url}", encryption.entrances, config.insecure, self._remedy
        )
        if config.insecure and not self._warning:
            self._warning = (
                f"{SETTING}=true: this node listens on loopback alone, or with TLS and authentication, and"
                " would start without them as well; leave the setting out, unless an Envoy beyond loopback"
                " is to reach it"
            )
        if self._warning:
            log.warning("%s", self._warning)

    @property
    def may_be_published(self) -> bool:
        """Whether an Envoy beyond loopback may send requests to the node."""
        return self._config.auth == "required" or self._config.insecure

    def problems(self, health: Health) -> Iterator[Problem]:
        """The warnings, as long as the node runs: about the exposure, and about a refused Envoy."""
        if self._warning:
            yield Problem(self._warning)
        if not self.may_be_published and health.is_asked_from_beyond:
            yield Problem(
                "an Envoy that listens beyond loopback sends no requests to this node, which asks nobody for"
                f" a token: set AUTH=required on all nodes (docs/access.md); {SETTING}=true lets anyone in"
            )

    def _remedy(self, exposure: Exposure) -> str:
        if self._config.node_peers and exposure.lacks_tls:
            urls = " ".join([self._config.node_url, *self._config.node_peers])
            return (
                f"Run limedb certs cluster {urls} on one machine, copy each node its folder, and start it"
                " with the settings in limedb.env there"
            )
        commands, settings = [], []
        if exposure.lacks_tls:
            commands += ["limedb certs init", f"limedb certs node {self._config.node_url}"]
            settings += ["TLS_CA, TLS_CERT and TLS_KEY as the second prints them"]
        if exposure.lacks_authentication:
            commands += ["limedb admin new-secret root.token"]
            settings += ["AUTH=required and ROOT_TOKEN_FILE=root.token"]
        return f"Run {'; '.join(commands)}. Then set {', '.join(settings)}"
