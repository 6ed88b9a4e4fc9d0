"""What commands of several stages share: the settings and an engine, let go of at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings


@contextmanager
def project() -> Iterator[tuple[Settings, Engine]]:
    """The settings in force and an engine on their database, which must have our schema."""
    from cloudsales_pipeline.database.engine import engine_for
    from cloudsales_pipeline.settings import load_settings

    settings = load_settings()
    engine = engine_for(settings)
    try:
        yield settings, engine
    finally:
        engine.dispose()
