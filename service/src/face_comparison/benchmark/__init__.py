"""How fast this machine is: the service over HTTP, the same pipeline without it, and OpenCV's own, side by side.

Only ratios of one run mean anything: every contender takes its turn in every round, and the medians are compared.
"""
