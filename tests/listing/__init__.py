"""What a channel shows, as we keep it."""
