"""Shared helpers of tests and development tools; not published."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout."""
