"""The channel port, the one HTTP transport, and an adapter per channel kind."""
