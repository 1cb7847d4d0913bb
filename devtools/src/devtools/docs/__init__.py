"""Generates the parts of the documents that derive from code and data."""
