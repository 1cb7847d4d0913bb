"""What the network tests share: servers on loopback, and a network of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.namespaces import Network, unavailable
from support.servers import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server on loopback."""
    with Server.on_loopback() as running:
        yield running


@pytest.fixture(scope="session")
def whole_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if reason := unavailable():
        pytest.skip(reason)
    with Network(tmp_path_factory.mktemp("network")) as created:
        yield created


@pytest.fixture
def network(whole_network: Network) -> Network:
    """A network in which this machine has every address, with a resolver that knows no name yet."""
    whole_network.names.forget()
    return whole_network
