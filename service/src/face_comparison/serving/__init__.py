"""What a request needs beyond HTTP: admission, readiness and the service itself."""
