"""Finds, downloads, converts, and loads model bundles."""
