"""What assets, checks, sensors and commands share: settings, engine and channels by name, clear failures, metadata.

Thin: a resource hands out a plain client. No rule of the trade, and no secret in any field or repr.
"""
