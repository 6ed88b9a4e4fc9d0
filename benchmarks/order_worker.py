"""Processes that take stored orders in at the same time: `python -m benchmarks.order_worker URL BATCH MOST`.

A worker connects, says so, waits for a line on its standard input, takes in until there is nothing left (or `MOST` batches), and
prints what it took and what CPU that cost it.
"""

from __future__ import annotations

import subprocess
import sys
import time

import msgspec
from msgspec import Struct
from sqlalchemy.engine import Engine

from benchmarks import order_world
from benchmarks.measure import Cost
from benchmarks.server import Server
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.orders.intake import BATCH, take_in


class Did(Struct):
    """What a worker took in, and its CPU seconds for it."""

    orders: int
    client: float


def take_all(server: Server, engine: Engine, workers: int, *, batch: int = BATCH, most: int = 10**9) -> tuple[Cost, int]:
    """Take in what is stored with so many processes; what it cost from the start signal to the last answer, and how many orders."""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "benchmarks.order_worker", url, str(batch), str(most)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        on_server, started = server.cpu_seconds(), time.perf_counter()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        did = [msgspec.json.decode(process.stdout.readline(), type=Did) for process in processes if process.stdout is not None]
        wall = time.perf_counter() - started
        cost = Cost(wall, sum(one.client for one in did), server.cpu_seconds() - on_server)
        return cost, sum(one.orders for one in did)
    finally:
        for process in processes:
            process.terminate()
            process.communicate(timeout=30)


def _work(url: str, batch: int, most: int) -> None:
    engine, parser, settings = create_engine(url), order_world.Parser(), order_world.settings()
    with engine.connect() as connection:
        connection.exec_driver_sql("select 1")
    print("ready", flush=True)
    sys.stdin.readline()
    client, taken = time.process_time(), 0
    for _ in range(most):
        result = take_in(engine, parser, order_world.CHANNEL, settings, limit=batch)
        if not result.read:
            break
        taken += result.read
    print(msgspec.json.encode(Did(taken, time.process_time() - client)).decode(), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    _work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
