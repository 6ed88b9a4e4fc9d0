"""Assets: thin. Each opens what it needs, calls one function of a stage, and tells in metadata what came of it."""
