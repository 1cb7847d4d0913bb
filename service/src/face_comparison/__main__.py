"""`python -m face_comparison` is the `face-comparison` command."""

from face_comparison.cli import main

main()
