"""API keys of the service that the tests of the Explorer restrict."""

from __future__ import annotations

KEYS = {
    "anna": ("secret-of-anna", ""),
    "desk": ("secret-of-the-desk", ":detect,search"),
    "clerk": ("secret-of-the-clerk", ":detect,search,enroll,erase"),
    "counter": ("secret-of-the-counter", ":detect"),
}
"""Holders of API keys: the key, and what their line says of permissions."""
