"""A long run of a service among good, slow, broken, huge, and hostile clients."""
