"""What assets are handed: settings, database and channels as thin Dagster resources."""
