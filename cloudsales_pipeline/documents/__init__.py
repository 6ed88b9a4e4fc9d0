"""Documents: proforma and fiscal invoices, waybills, and the rules that issue them."""
