"""Exit statuses of the commands."""

FAILED = 2
"""Exit status of everything that went wrong, wrong usage included (0 and 1 are verdicts of `compare`)."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
