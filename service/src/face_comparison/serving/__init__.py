"""Admission control, readiness, and the service itself, independent of HTTP."""
