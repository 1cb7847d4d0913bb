"""Fixtures that every folder of tests may use."""

pytest_plugins = ["parts.fixtures"]  # a Kubernetes control plane, a namespace on it
