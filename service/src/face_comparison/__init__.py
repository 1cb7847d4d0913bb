"""Find faces in images and determine whether two faces belong to the same person.

See `face_comparison.vision.analyzer` for use as a library and `face_comparison.cli` for the command line.
"""

__version__ = "0.1.0"
