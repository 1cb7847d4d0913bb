"""Generates the parts of the documentation that derive from code and data."""
