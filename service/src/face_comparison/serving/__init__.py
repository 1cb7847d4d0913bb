"""Admission control, readiness, and the service itself, all independent of HTTP."""
