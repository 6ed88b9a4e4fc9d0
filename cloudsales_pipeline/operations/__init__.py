"""What needs a person: found in the tables of all stages, shown by `status`, told to operators, measured for Prometheus."""
