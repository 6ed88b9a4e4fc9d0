"""Commands over orders run in the folder that the commands' own tests use."""

from __future__ import annotations

from tests.cli.conftest import here as here
