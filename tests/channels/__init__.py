"""The channel port, its transport and its adapters, against servers that listen and misbehave for real."""
