"""Schedules say when. What is done stands in the jobs."""
