"""Find faces in pictures and tell whether two faces are the same person.

See `face_comparison.analysis` for use as a library and `face_comparison.cli` for the `face-comparison` command.
"""

__version__ = "0.1.0"
