"""Fixtures that all folders of tests may use."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["devtools.k8s.fixtures"]  # a Kubernetes control plane, a namespace on it

# The duration of an example depends on the machine's load, not on the product.
# In CI, examples are the same in every run, so that failures are reproducible; new examples are found locally.
settings.register_profile(
    "product", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("product")

# A shell that starts the tests in the background makes them, and their child processes, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Under `make test`, a nested make would print its working directory; one that a user types does not.
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(name, None)

TOGETHER = {
    "e2e": "a node",
    "cluster": "a control plane",
    "chart": "a control plane",
    "browser": "the documents and a browser",
    "docs": "the documents and a browser",
    "http": "an application",
    "model": "models",
    "stores": "a PostgreSQL server",
}
"""What the tests of a folder share because it takes long to start, or because only one may use it: folders of the same
words run on one of the workers of `make test`, one after the other. Of other folders each file is by itself."""

LONGEST_FIRST = ("e2e", "install", "cluster", "chart", "live", "browser", "model", "http", "stores", "network")
"""Much of a test on a cluster is waiting, in which the other workers have the processor."""


def folder(nodeid: str) -> str:
    return nodeid.split("/")[1]


class Together(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Assigns tests that belong together to one worker, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(folder(nodeid), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # without workers, the order is alphabetical
        items.sort(key=lambda item: (*LONGEST_FIRST, folder(item.nodeid)).index(folder(item.nodeid)))
