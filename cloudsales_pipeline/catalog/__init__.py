"""The catalogue: codes, loading, matching, plans, links. What a channel shows lives in listing/."""
