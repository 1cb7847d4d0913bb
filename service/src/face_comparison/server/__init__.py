"""The gunicorn process: listener, connections, workers and their shared state."""
