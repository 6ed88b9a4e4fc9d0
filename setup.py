"""A shim for tools that look for it; pyproject.toml is the truth."""

from setuptools import setup

setup()
