"""The Kubernetes programs that tests and tools run, built from pinned Go modules."""
