"""Asset checks: thin. A rule is judged in its stage; here it becomes a check with rows, a sample, and what to do."""
