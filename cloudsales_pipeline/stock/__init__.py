"""Stock: the ledger, reservations, what channels should show and sending it there. Owns the writes to those tables."""
