"""Reads requests and writes responses, independent of the web framework."""
