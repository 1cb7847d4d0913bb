"""`python -m face_comparison` is the `face-comparison` command."""

from face_comparison.cli.main import main

if __name__ == "__main__":  # not in the processes that `multiprocessing` starts
    main()
