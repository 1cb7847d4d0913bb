"""Find faces in images and tell whether two faces are the same person.

See `face_comparison.vision.analyzer` for use as a library and `face_comparison.cli` for the command line.
"""

__version__ = "0.1.0"
