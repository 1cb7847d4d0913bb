"""Fuzz targets: every parser of what strangers send, and a mutator that finds what they handle wrongly."""
