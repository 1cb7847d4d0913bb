"""The recognition pipeline: detection, alignment, embedding and matching."""
