"""A temporary project on the benchmarks' server, and its processes as a user starts them: `cloudsales up`, `cloudsales work`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudsales_pipeline.settings import Settings

COMMAND = [sys.executable, "-c", "from cloudsales_pipeline.cli import main; main()"]
START_SECONDS = 180.0
END_SECONDS = 60.0


class Project:
    """A folder with cloudsales.yaml, `name`.yaml here so that several settings may share it."""

    def __init__(self, folder: Path, name: str, settings: Settings) -> None:
        self._folder, self._name = folder, name
        channels = {
            key: {
                "kind": channel.kind,
                "url": channel.url,
                "stock": {"warehouses": list(channel.stock.warehouses)},
                "limits": {"requests_per_minute": channel.limits.requests_per_minute},
            }
            for key, channel in settings.channels.items()
        }
        assert settings.database.url is not None
        content = {
            "database": {"url": settings.database.url.get_secret_value()},
            "data_dir": str(folder / "data"),
            "warehouses": {warehouse: {} for warehouse in settings.warehouses},
            "channels": channels,
        }
        self._file = folder / f"{name}.yaml"
        self._file.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML

    @contextmanager
    def up(self) -> Iterator[None]:
        """Dagster's webserver, daemon and code server, ready."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with self._running(["up", "--port", str(port)], "Dagster is up:"):
            yield

    @contextmanager
    def worker(self) -> Iterator[None]:
        """`cloudsales work`."""
        with self._running(["work"], "Publishing stock to"):
            yield

    @contextmanager
    def _running(self, command: list[str], ready: str) -> Iterator[None]:
        log = self._folder / f"{self._name}-{command[0]}.log"
        environment = {**os.environ, "CLOUDSALES_CONFIG": str(self._file), "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as out:
            process = subprocess.Popen([*COMMAND, *command], env=environment, stdout=out, stderr=out, cwd=self._folder)
        try:
            until = time.monotonic() + START_SECONDS
            while ready not in log.read_text(errors="replace"):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"cloudsales {command[0]} did not start:\n{log.read_text(errors='replace')[-3000:]}")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(END_SECONDS)
