"""What Dagster materialises: thin wrappers, a file per stage. Rules and SQL live in the stages."""
