"""The simulator's mail server in a process of its own, so that its work is not counted as the sender's."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from cloudsales_pipeline.simulator.mail import Mailbox, mail_server


@dataclass
class Served:
    """A server: its port, and what it was given."""

    port: int
    pipe: Connection

    @property
    def url(self) -> str:
        """Its address as apprise reads it."""
        return Mailbox(port=self.port).url

    def taken(self) -> Counter[str]:
        """How many mails each recipient got since this was asked last."""
        self.pipe.send("taken")
        found: Counter[str] = self.pipe.recv()
        return found


@contextlib.contextmanager
def serving() -> Iterator[Served]:
    """A server, ended at the end of the block."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Served(ours.recv(), ours)
    finally:
        ours.send("end")
        process.join(10)
        process.kill()


def _serve(pipe: Connection) -> None:
    with mail_server() as box:
        pipe.send(box.port)
        while pipe.recv() == "taken":
            pipe.send(Counter(to for to, _ in box.mails))
            box.mails.clear()
