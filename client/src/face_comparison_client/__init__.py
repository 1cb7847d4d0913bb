"""The client of a face-comparison service by itself; the package `face-comparison` has it as `face_comparison.client`.

Its modules are those of the service: both may be installed side by side, because each has files of its own.
"""

from .client import *  # noqa: F403
from .client import __all__ as __all__
