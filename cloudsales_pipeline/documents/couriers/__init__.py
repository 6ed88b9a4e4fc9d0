"""Couriers: the port, and an adapter for each company's API."""
