"""The gunicorn processes: listener, connections, workers, and their shared state."""
