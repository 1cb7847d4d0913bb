"""A Debian as its installer leaves it, in namespaces of this machine: where documented commands are typed.

Nothing of this project or of this machine's Python is in it. Docker, Compose and pipx are Debian's own packages.
"""
