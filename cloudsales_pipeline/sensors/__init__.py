"""Sensors decide whether to run. Rules live elsewhere.

Intervals are a second under the daemon's steps of five (4, 14, 29): a sensor of 5 s is ticked every 10.
"""
