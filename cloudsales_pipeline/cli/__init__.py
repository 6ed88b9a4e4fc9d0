"""The command line: parse arguments, call a stage, print. No rules here."""
