"""Purchasing: what must be bought, one order for each supplier and day, and what was delivered."""
