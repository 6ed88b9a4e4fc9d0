"""Servers on this machine that behave like the outside world, for the demo, tests and load."""
