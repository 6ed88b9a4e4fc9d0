"""The schema and its migrations, the embedded server, sessions."""
