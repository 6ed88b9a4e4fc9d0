"""Messages: who is told of what, by which words; the sending itself is `outbox`."""
