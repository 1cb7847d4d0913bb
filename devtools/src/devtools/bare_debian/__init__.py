"""A freshly installed Debian, in namespaces of this machine, in which documented commands are typed.

It contains nothing from this project or from this machine's Python. Docker, Compose, and pipx are Debian's own
packages.
"""
