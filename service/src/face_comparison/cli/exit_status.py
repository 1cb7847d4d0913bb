"""Exit statuses of the commands."""

FAILED = 2
"""Exit status of every failure, usage errors included (0 and 1 are verdicts of `compare`)."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""
