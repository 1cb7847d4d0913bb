"""HTTP layer: the only importer of Flask."""
