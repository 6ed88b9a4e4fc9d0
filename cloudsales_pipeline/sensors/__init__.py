"""Sensors decide whether to start a run. Rules live elsewhere."""
