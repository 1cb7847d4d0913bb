"""Reads requests and builds responses, independent of the web framework."""
