"""The market at size: nothing oversold, nothing lost, and how far channels were exposed meanwhile.

`python -m benchmarks.market [--orders N] [--products N] [--channels N] [--a-second N]`; the test run plays a small one.
"""

from __future__ import annotations

import argparse

from benchmarks.market_world import Outcome, Size, play
from benchmarks.server import running


def main() -> None:
    """Play one market and print what came of it; exits 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.market", description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000, help="of each channel")
    parser.add_argument("--channels", type=int, default=5)
    parser.add_argument("--products", type=int, default=500)
    parser.add_argument("--pieces", type=int, default=3, help="of each product at first")
    parser.add_argument("--a-second", type=float, default=10, help="orders of each channel, at most")
    parser.add_argument("--faults", choices=("none", "mild", "harsh"), default="harsh")
    size = Size(**vars(parser.parse_args()))
    with running() as server, server.database("bench_market") as engine:
        outcome = play(engine, size)
    _say(outcome)
    if outcome.broken:
        raise SystemExit("WRONG RESULT: " + "; ".join(outcome.broken))
    print("correct: nothing oversold at any look, every order once at its last revision, acknowledged, and shown figures right")


def _say(outcome: Outcome) -> None:
    exposed = outcome.exposure
    print(f"{outcome.orders:,} orders, {outcome.changes:,} changes, {outcome.faults:,} faults in {outcome.seconds:.1f} s;"
          f" at rest {outcome.resting_seconds:.1f} s later; the reader looked {outcome.looks:,} times")  # fmt: skip
    print(f"exposure: {exposed.piece_seconds:,.1f} piece-seconds over all channels ({exposed.mean_pieces:.2f} pieces at a time),"
          f" of which publishing alone {exposed.after_intake:,.1f}; at most {exposed.most} of one product on one channel")  # fmt: skip
    print(f"pieces sold while promised to another: {exposed.sold_twice:,}; pieces waiting in the end: {outcome.waiting:,}")
    print(f"pieces on offer again by a repeated push of the same version: {outcome.put_back:,};"
          f" listings that offered too few until read back: {outcome.shown_too_few:,}")  # fmt: skip


if __name__ == "__main__":
    main()
