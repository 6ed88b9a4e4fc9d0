"""Dagster's data-quality checks, a file per stage. They judge and explain; constraints in the database guarantee."""
