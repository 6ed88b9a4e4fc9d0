"""Numbers: without a gap or a repeat, growing with the date, whatever is rolled back, killed or set back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.documents import issuing, papers
from cloudsales_pipeline.documents.issuing import issue_due, issue_one, storno
from cloudsales_pipeline.documents.papers import make_missing
from cloudsales_pipeline.documents.submission import submit_by
from cloudsales_pipeline.errors import DatabaseError, SettingsError
from cloudsales_pipeline.orders.life import issue
from cloudsales_pipeline.orders.returns import receive_return, scrap
from cloudsales_pipeline.outbox.files import File
from cloudsales_pipeline.settings import Settings
from tests.documents.office import NOON, ON_STOCK, PAID, UNPAID, broken, documents, office
from tests.killing import killed_at_each_step
from tests.orders.market import line, market, order, receive
from tests.orders.racing import in_processes
from tests.stock.shelf import rows

ORDERS = 40


def warm(made: Settings) -> None:
    """Load what issuing loads at its first use, before processes are forked: each would take a second for it."""
    issuing.check_settings(made)
    submit_by(NOON.date())
    submit_by(NOON.date() + timedelta(days=42))


def rolling_back_each_fourth(engine: Engine) -> list[int]:
    """The engine's every fourth COMMIT is a rollback instead, for which the database asks to try again."""
    original, turn, rolled = engine.dialect.do_commit, itertools.count(1), []

    def commit(connection: Any) -> None:
        number = next(turn)
        if number % 4 == 0:
            rolled.append(number)
            connection.rollback()
            raise psycopg.errors.SerializationFailure("rolled back by the test")
        original(connection)

    engine.dialect.do_commit = commit  # type: ignore[method-assign,assignment]
    return rolled


def until_the_server_noticed(engine: Engine) -> None:
    """That a client is gone, whose locks the next run would pass over."""
    query = "select count(*) from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()"
    until = time.monotonic() + 20
    while rows(engine, query) != [(0,)]:
        assert time.monotonic() < until
        time.sleep(0.01)


def worker(made: Settings) -> Callable[[Engine], None]:
    def work(engine: Engine) -> None:
        rolled = rolling_back_each_fourth(engine)
        while True:
            try:
                if not issue_due(engine, made, now=NOON, batch=2).judged:
                    break
            except DatabaseError:
                continue  # more tries than a call makes
        assert len(rolled) >= 1

    return work


@pytest.mark.timeout(60)
def test_eight_workers_with_a_quarter_rolled_back_leave_no_gap_no_repeat_and_one_invoice_for_each_order(
    engine: Engine, settings: Settings, database_url: URL
) -> None:
    """I-31, I-32: two series at once, proformas and fiscal invoices, and goods leaving in the same transactions."""
    market(engine, {"R-1": ORDERS})
    made = office(settings, PAID, ON_STOCK | {"issue": "proforma_invoice"}, goods_leave_on="fiscal_invoice")
    receive(engine, *[order(f"FO{n}", line("R-1"), minutes=n, status="paid" if n % 2 else "new") for n in range(ORDERS)])
    issuing.sync_channels(engine, made)
    warm(made)
    assert in_processes(database_url, [worker(made)] * 8) == [0] * 8
    found = documents(engine)
    by_kind = {kind: sorted(int(number.split()[1]) for _, k, number, _ in found if k == kind) for _, kind, _, _ in found}
    assert by_kind == {name: list(range(1, ORDERS // 2 + 1)) for name in ("fiscal_invoice", "proforma_invoice")}
    assert len({one[0] for one in found}) == len(found) == ORDERS
    assert broken(engine) == {}
    assert rows(engine, "select on_hand, reserved from analytics.stock_level where sku = 'R-1'") == [(ORDERS // 2, ORDERS // 2)]
    assert rows(engine, "select count(*) from cloudsales.stock_movement where reason = 'sale'") == [(ORDERS // 2,)]
    assert rows(engine, "select last_number from cloudsales.number_series where kind like '%invoice'") == [(ORDERS // 2,)] * 2


@pytest.mark.timeout(90)
def test_killed_at_any_statement_from_facts_to_files_the_next_run_ends_where_an_undisturbed_one_ends(
    engine: Engine, settings: Settings, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I-41, F-24, F-08: SIGKILL at each statement and around each COMMIT: after the insert, the number, the document, the papers."""
    market(engine, {"R-1": 4})
    made = office(settings, PAID, UNPAID, goods_leave_on="fiscal_invoice")
    receive(engine, order("FO1", line("R-1"), status="paid"), order("FO2", line("R-1"), minutes=1, status="paid"))

    def work(victim: Engine) -> None:
        issue_due(victim, made, now=NOON)
        make_missing(victim, made)

    # What a file looks like is not at stake here, and a typesetter for each of the killed processes would take a second each.
    monkeypatch.setattr(papers, "_file", lambda kind, *_: File(f"x.{kind}", "text/plain", b"x"))
    warm(made)
    told: list[str] = []
    for _ in killed_at_each_step(database_url, work, told=told):
        until_the_server_noticed(engine)
        numbers = rows(engine, "select number from cloudsales.document order by 1")
        assert numbers in ([], [(1,), (2,)])
        counter = rows(engine, "select last_number from cloudsales.number_series where kind = 'fiscal_invoice'")
        assert counter == ([(2,)] if numbers else [])
        left = rows(engine, "select count(*) from cloudsales.stock_movement where reason = 'sale'")
        assert left == [(len(numbers),)]
        files = rows(engine, "select count(*) from cloudsales.document_file")[0][0]
        assert files in (0, 4)
        assert files == rows(engine, "select count(*) from personal.stored_file")[0][0]
    assert len(told) >= 20
    assert any("take_numbers" in one for one in told)
    assert {"before COMMIT", "after COMMIT"} <= set(told)
    assert sorted(documents(engine)) == [("FO1", "fiscal_invoice", "FU 1", "live"), ("FO2", "fiscal_invoice", "FU 2", "live")]
    assert rows(engine, "select count(*) from cloudsales.document_file") == [(4,)]
    assert rows(engine, "select count(*) from cloudsales.event where kind = 'document_issued'") == [(2,)]
    assert rows(engine, "select on_hand, reserved from analytics.stock_level where sku = 'R-1'") == [(2, 0)]
    assert broken(engine) == {}


def test_a_channel_has_its_own_series_and_the_storno_its_own_where_the_settings_give_it_one(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 9}, channels=("fashionup", "magazin"))
    own = {"fiscal_invoice": "MAG", "storno": "MST"}
    made = office(settings, ON_STOCK, channels={"fashionup": {}, "magazin": {"series": own, "language": "en"}})
    receive(engine, order("A", line("R-1")), order("B", line("R-1"), minutes=1))
    receive(engine, order("A", line("R-1")), channel="magazin")
    issue_due(engine, made, now=NOON)
    assert storno(engine, made, "MAG 1", now=NOON) == "MST 1"
    assert storno(engine, made, "FU 1", now=NOON) == "FU 3"  # without one it takes the invoices' next number
    assert [one[2] for one in documents(engine)] == ["FU 1", "FU 2", "MAG 1", "MST 1", "FU 3"]
    assert rows(engine, "select distinct series from cloudsales.document where language = 'en' order by 1") == [
        ("MAG",),
        ("MST",),
    ]
    assert broken(engine) == {}


def test_a_series_used_for_two_kinds_is_refused_within_a_channel_and_across_channels(engine: Engine, settings: Settings) -> None:
    """I-33."""
    market(engine, {"R-1": 9}, channels=("fashionup", "magazin"))
    receive(engine, order("A", line("R-1")))
    same = office(settings, ON_STOCK, series={"proforma_invoice": "FU"})
    with pytest.raises(SettingsError, match="The series FU is used for proforma_invoice and for fiscal_invoice"):
        issue_due(engine, same, now=NOON)
    other = {"fashionup": {}, "magazin": {"series": {"proforma_invoice": "FU", "fiscal_invoice": "M"}}}
    with pytest.raises(SettingsError, match=r"one of them is channel magazin's"):
        issue_due(engine, office(settings, ON_STOCK, channels=other), now=NOON)
    assert documents(engine) == []


def test_a_series_that_another_kind_had_under_earlier_settings_is_refused(engine: Engine, settings: Settings) -> None:
    """I-33: else there would be two documents FU 1."""
    market(engine, {"R-1": 9})
    receive(engine, order("A", line("R-1")))
    issue_due(engine, office(settings, ON_STOCK), now=NOON)
    swapped = office(settings, UNPAID, series={"proforma_invoice": "FU", "fiscal_invoice": "NEW"})
    receive(engine, order("B", line("R-1"), payment_method="bank_transfer"))
    with pytest.raises(SettingsError, match="FU can't be used for proforma_invoice: fiscal_invoice has numbers of it already"):
        issue_due(engine, swapped, now=NOON)
    assert rows(engine, "select kind, series, last_number from cloudsales.number_series") == [("fiscal_invoice", "FU", 1)]
    receive(engine, order("B", line("R-1"), payment_method="bank_transfer", revision=2))
    assert issue_due(engine, office(settings, UNPAID), now=NOON).proforma_invoices == 1


def test_at_a_new_year_s_midnight_in_bucharest_numbers_go_on_and_dates_change(engine: Engine, settings: Settings) -> None:
    """F-36: 22:00 UTC is midnight here. A series is the retailer's to change, under documents.series; nothing begins again by itself."""
    market(engine, {"R-1": 9})
    made = office(settings, ON_STOCK)
    midnight = datetime(2026, 12, 31, 22, tzinfo=UTC)
    for number, moment in enumerate((midnight - timedelta(seconds=1), midnight, midnight + timedelta(seconds=1))):
        receive(engine, order(f"FO{number}", line("R-1"), minutes=number))
        issue_due(engine, made, now=moment)
    found = rows(engine, "select number, issued_on::text, submit_by::text from cloudsales.document order by number")
    assert found == [(1, "2026-12-31", "2027-01-12"), (2, "2027-01-01", "2027-01-12"), (3, "2027-01-01", "2027-01-12")]
    new = office(settings, ON_STOCK, series={"fiscal_invoice": "FU27"})
    receive(engine, order("FO9", line("R-1"), minutes=9))
    issue_due(engine, new, now=midnight)
    assert documents(engine)[-1][2] == "FU27 1"
    assert storno(engine, new, "FU 1", now=midnight) == "FU27 2"  # an old series' invoice is corrected in the new one
    assert broken(engine) == {}


def test_a_clock_that_steps_back_gives_no_earlier_date_to_a_higher_number(engine: Engine, settings: Settings) -> None:
    """F-34."""
    market(engine, {"R-1": 9})
    made = office(settings, ON_STOCK, payment_days=10)
    for number, moment in enumerate((NOON, NOON - timedelta(days=3), NOON + timedelta(days=1))):
        receive(engine, order(f"FO{number}", line("R-1"), minutes=number))
        issue_due(engine, made, now=moment)
    found = rows(engine, "select number, issued_on::text, due_on::text, submit_by::text from cloudsales.document order by number")
    assert found == [
        (1, "2026-11-20", "2026-11-30", "2026-11-27"),
        (2, "2026-11-20", "2026-11-30", "2026-11-27"),
        (3, "2026-11-21", "2026-12-01", "2026-11-27"),
    ]
    assert rows(engine, "select content ->> 'issued_on' from personal.document_content order by document_id") == [
        ("2026-11-20",), ("2026-11-20",), ("2026-11-21",),
    ]  # fmt: skip
    assert broken(engine) == {}


def unrated(sku: str, quantity: int = 1) -> Any:
    """A line of which the channel says no rate."""
    from msgspec.structs import replace

    return replace(line(sku, quantity, price="119.00"), vat_rate=None)


def test_when_vat_changes_at_midnight_each_sale_has_its_day_s_rate_and_a_return_that_of_its_sale(
    engine: Engine, settings: Settings
) -> None:
    """F-35: 19 % until 31 July 2025, 21 % from 1 August; the return comes in November 2026."""
    market(engine, {"R-1": 9})
    made = office(settings, ON_STOCK)
    midnight = datetime(2025, 7, 31, 21, tzinfo=UTC)  # 00:00 in Bucharest
    free = {"delivery_price": Decimal(0)}
    for name, moment in (("OLD", midnight - timedelta(seconds=1)), ("NEW", midnight)):
        receive(engine, order(name, unrated("R-1", 2), total=Decimal("238.00"), **free))
        issue_due(engine, made, now=moment)
    taxes = "select number, issued_on::text, net::text, vat::text, total::text from cloudsales.document order by number"
    assert rows(engine, taxes) == [
        (1, "2025-07-31", "200.00", "38.00", "238.00"),
        (2, "2025-08-01", "196.69", "41.30", "238.00"),
    ]
    issue(engine, "fashionup", "OLD")
    receive_return(engine, "fashionup", "OLD", {"1": 1}, reference="R-1")
    scrap(engine, "fashionup", "OLD", {"1": 1}, reference="S-1")
    assert issue_due(engine, made, now=NOON).stornos == 1
    assert rows(engine, taxes)[2] == (3, "2026-11-20", "-100.00", "-19.00", "-119.00")
    assert broken(engine) == {}


def test_papers_are_made_for_what_a_killed_run_only_numbered(engine: Engine, settings: Settings) -> None:
    """F-08: the number is committed, its files are the next run's."""
    market(engine, {"R-1": 9})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", line("R-1")))
    assert issue_one(engine, made, "fashionup", "FO1", "fiscal_invoice", now=NOON) == "FU 1"
    assert rows(engine, "select count(*) from cloudsales.document_paper_due") == [(1,)]
    assert (papers.make_missing(engine, made), papers.make_missing(engine, made)) == (1, 0)
    assert rows(engine, "select kind from cloudsales.document_file order by 1") == [("pdf",), ("xml",)]
