"""When jobs run by the clock. What they do lives in the assets."""
