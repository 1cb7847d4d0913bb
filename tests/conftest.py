"""Fixtures that every folder of tests may use."""

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["parts.fixtures"]  # a Kubernetes control plane, a namespace on it

# What an example takes says how busy the machine is, not whether the product is right.
# In CI the examples are the same at every run: a red run can be repeated, new examples are found by hand.
settings.register_profile(
    "product", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("product")

# A shell that starts the tests in the background lets them, and every program that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Under `make test` another make would say which folder it works in; the one of a reader who types it does not.
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(name, None)
