"""Processes that take stored orders in at the same time.

A worker connects, says so, waits for a word, takes in until there is nothing left (or `most` batches), and says what it took and
what CPU that cost it. Workers are forked: a fresh interpreter costs seconds of imports, which are not what is measured.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection

from msgspec import Struct
from sqlalchemy.engine import Engine

from benchmarks import order_world
from benchmarks.measure import Cost
from benchmarks.server import Server
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.orders.intake import BATCH, take_in

END_SECONDS = 30.0


class Did(Struct):
    """What a worker took in, and its CPU seconds for it."""

    orders: int
    client: float


def take_all(server: Server, engine: Engine, workers: int, *, batch: int = BATCH, most: int = 10**9) -> tuple[Cost, int]:
    """Take in what is stored with so many processes; what it cost from the start signal to the last answer, and how many orders."""
    url = engine.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(workers)]
    processes = [context.Process(target=_work, args=(there, url, batch, most), daemon=True) for _, there in pipes]
    ours = [here for here, _ in pipes]
    for process in processes:
        process.start()
    for _, there in pipes:
        there.close()
    try:
        for pipe in ours:
            pipe.recv()
        on_server, started = server.cpu_seconds(), time.perf_counter()
        for pipe in ours:
            pipe.send("go")
        did: list[Did] = [pipe.recv() for pipe in ours]
        wall = time.perf_counter() - started
        cost = Cost(wall, sum(one.client for one in did), server.cpu_seconds() - on_server)
        return cost, sum(one.orders for one in did)
    finally:
        for pipe, process in zip(ours, processes, strict=True):
            pipe.close()
            process.terminate()
            process.join(END_SECONDS)


def _work(pipe: Connection, url: str, batch: int, most: int) -> None:
    engine, parser, settings = create_engine(url), order_world.Parser(), order_world.settings()
    with engine.connect() as connection:
        connection.exec_driver_sql("select 1")
    pipe.send("ready")
    pipe.recv()
    client, taken = time.process_time(), 0
    for _ in range(most):
        result = take_in(engine, parser, order_world.CHANNEL, settings, limit=batch)
        if not result.read:
            break
        taken += result.read
    pipe.send(Did(taken, time.process_time() - client))
    pipe.recv()  # its sessions stay until the costs are read
