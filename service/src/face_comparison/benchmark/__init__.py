"""Compares the speed of the service over HTTP, the same pipeline in a plain loop, and OpenCV's own on this machine.

Only ratios within one run are meaningful: every contender takes its turn in every round, and the medians are compared.
"""
