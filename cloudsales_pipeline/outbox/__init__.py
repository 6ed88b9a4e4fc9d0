"""The outbox: what must leave the house is a committed row first; and numbers and files of what leaves."""
