"""The fault matrix: injected faults of a resource, the reason and message that report each, and its fix.

`make fault-matrix` injects and fixes every row on the real node and writes docs/data/fault-matrix.json; CI does so with
those in `IN_CI`.
"""

from __future__ import annotations

from support.admission_faults import ADMISSION
from support.pod_faults import PODS
from support.resource_faults import RESOURCES
from support.route_faults import ROUTES

ROWS = [*PODS, *ADMISSION, *ROUTES, *RESOURCES]
# Part of every test run: a row whose fix does not wait until an admission policy is no longer applied.
IN_CI = ("volume",)
