"""Runs the `face-comparison` command as `python -m face_comparison`."""

from face_comparison.cli.main import main

if __name__ == "__main__":  # not in processes started by `multiprocessing`
    main()
