"""Fixtures that every folder of tests may use."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["parts.fixtures"]  # a Kubernetes control plane, a namespace on it

# What an example takes says how busy the machine is, not whether the product is right.
settings.register_profile("product", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("product")
