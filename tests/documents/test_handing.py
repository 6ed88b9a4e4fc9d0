"""Documents go to their order's channel once, again where that failed; e-invoices go to the tax authority's door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import ChannelError, ChannelRefusedError, ChannelUnreachableError, OutcomeUnknownError
from cloudsales_pipeline.channels.port import OrderDocument, OrderStatus
from cloudsales_pipeline.documents.handing import HandedOver, hand_over_due, try_refused_again
from cloudsales_pipeline.documents.issuing import issue_due
from cloudsales_pipeline.documents.papers import make_missing
from cloudsales_pipeline.documents.quality import check_documents
from cloudsales_pipeline.documents.submission import Folder, SubmissionRefusedError, SubmissionUnclearError
from cloudsales_pipeline.documents.submitting import authority_of, decide, submit_due
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders.story import story_of
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from cloudsales_pipeline.settings import Settings
from tests.documents.office import NOON, ON_STOCK, office, quarantined
from tests.listing.fake_channel import FakeChannel
from tests.orders.market import line, market, order, receive
from tests.stock.shelf import rows

UNREACHABLE = ChannelUnreachableError("no answer", channel="fashionup")


class Desk(FakeChannel):
    """A channel that keeps documents by (order, kind, number), and fails as it is told, one error for each call."""

    def __init__(self, *errors: ChannelError | None) -> None:
        super().__init__()
        self.errors = list(errors)
        self.kept: dict[tuple[str, str, str], bytes | None] = {}
        self.states: list[tuple[str, str]] = []
        self.asked = 0

    def attach_document(self, order_id: str, document: OrderDocument) -> bool:
        self._fail()
        key = (order_id, document.kind, document.number)
        new = key not in self.kept
        self.kept[key] = document.content
        return new

    def advance(self, order_id: str, status: OrderStatus, reason: str | None = None) -> None:
        self._fail()
        self.states.append((order_id, status.value))

    def _fail(self) -> None:
        self.asked += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error

    @contextmanager
    def opened(self, name: str) -> Iterator[Desk]:
        assert name == "fashionup"
        yield self


def given(engine: Engine, desk: Desk, made: Settings) -> HandedOver:
    return hand_over_due(engine, made, desk.opened)


def later(engine: Engine) -> None:
    """All pauses and leases are over."""
    with engine.begin() as connection:
        for table in ("document_handover", "order_advance", "document_submission"):
            connection.execute(sa.text(f"update cloudsales.{table} set due_at = now() - interval '1 second' where state = 'due'"))


@pytest.fixture
def made(engine: Engine, settings: Settings) -> Settings:
    """Two orders with their invoices, FU 1 and FU 2."""
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 2), minutes=1))
    with_rule = office(settings, ON_STOCK)
    assert issue_due(engine, with_rule, now=NOON).fiscal_invoices == 2
    return with_rule


def test_an_invoice_waits_for_its_pdf_and_then_goes_to_the_channel_once_with_the_orders_state(
    engine: Engine, made: Settings
) -> None:
    desk = Desk()
    first = given(engine, desk, made)
    assert (first.given, first.states) == (0, 2)
    make_missing(engine, made)
    assert given(engine, desk, made).given == 2
    assert sorted(desk.kept) == [("FO1", "fiscal_invoice", "FU 1"), ("FO2", "fiscal_invoice", "FU 2")]
    assert all(content and content.startswith(b"%PDF") for content in desk.kept.values())
    assert desk.states == [("FO1", "processing"), ("FO2", "processing")]
    assert given(engine, desk, made) == HandedOver()
    assert desk.asked == 4


def test_f24_a_document_that_arrived_before_its_giver_was_killed_is_given_again_and_kept_once(
    engine: Engine, made: Settings
) -> None:
    make_missing(engine, made)
    desk = Desk(OutcomeUnknownError("no answer", channel="fashionup"))
    desk.kept["FO1", "fiscal_invoice", "FU 1"] = b"%PDF it arrived"
    first = given(engine, desk, made)
    assert (first.given, first.had, first.again) == (1, 0, 1)
    assert given(engine, desk, made) == HandedOver()  # not before its pause is over
    later(engine)
    assert (given(engine, desk, made).had, len(desk.kept)) == (1, 2)
    assert rows(engine, "select state, attempts from cloudsales.document_handover order by document_id") == [
        ("done", 2),
        ("done", 1),
    ]


def test_a_channel_that_is_away_is_left_alone_and_all_is_given_when_it_is_back(engine: Engine, made: Settings) -> None:
    make_missing(engine, made)
    desk = Desk(UNREACHABLE)
    first = given(engine, desk, made)
    assert (first.given, first.again, desk.asked) == (0, 2, 1)
    assert "no answer" in first.errors["fashionup"]
    later(engine)
    assert given(engine, desk, made).given == 2


def test_what_the_channel_refuses_is_for_a_person_and_can_be_given_again(engine: Engine, made: Settings) -> None:
    make_missing(engine, made)
    desk = Desk(ChannelRefusedError("no such order", channel="fashionup", status=404))
    first = given(engine, desk, made)
    assert (first.given, first.refused) == (1, 1)
    assert quarantined(engine) == [("FU 1", "handover_refused")]
    red = {one.rule: one.offending_rows for one in check_documents(engine, made) if not one.passed}
    assert red["handed_over_in_time"] == 1
    later(engine)
    assert given(engine, desk, made) == HandedOver()
    assert try_refused_again(engine) == 1
    assert given(engine, desk, made).given == 1
    assert quarantined(engine) == []


def test_a_channel_that_is_not_to_be_given_documents_is_not_asked(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2)))
    made = office(settings, ON_STOCK, hand_over=False)
    issue_due(engine, made, now=NOON)
    make_missing(engine, made)
    desk = Desk()
    assert given(engine, desk, made) == HandedOver()
    assert desk.asked == 0


def test_a_channel_that_left_the_settings_does_not_hold_up_the_others(engine: Engine, made: Settings) -> None:
    make_missing(engine, made)
    elsewhere = made.model_copy(update={"channels": {"another": made.channels["fashionup"]}})
    assert hand_over_due(engine, elsewhere, Desk().opened) == HandedOver()


def test_e_invoices_are_written_into_the_folder_whole_and_once(engine: Engine, made: Settings, tmp_path: Path) -> None:
    assert authority_of(made) is None
    assert submit_due(engine, None).open is False
    folder = Folder(tmp_path / "e-invoices")
    assert submit_due(engine, folder).sent == 0  # nothing is made yet
    make_missing(engine, made)
    assert submit_due(engine, folder).sent == 2
    assert sorted(path.name for path in folder.folder.iterdir()) == ["FU-1.xml", "FU-2.xml"]
    assert b"urn:cen.eu:en16931:2017" in (folder.folder / "FU-1.xml").read_bytes()
    assert submit_due(engine, folder).sent == 0
    assert rows(engine, "select state, reference from cloudsales.document_submission order by document_id") == [
        ("sent", "FU-1.xml"),
        ("sent", "FU-2.xml"),
    ]


class Authority:
    """Answers FU-1 and FU-2 as it is told."""

    def __init__(self, **answers: Exception | str) -> None:
        self.answers = answers

    def send(self, name: str, xml: bytes) -> str:
        answer = self.answers[name.replace("-", "")]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_an_e_invoice_that_is_rejected_or_unclear_waits_for_a_persons_word(engine: Engine, made: Settings) -> None:
    make_missing(engine, made)
    harsh = Authority(
        FU1=SubmissionRefusedError("no", reason="buyer_tax_id"), FU2=SubmissionUnclearError("the connection was lost")
    )
    done = submit_due(engine, harsh)
    assert (done.sent, done.rejected, done.unknown) == (0, 1, 1)
    assert quarantined(engine) == [("FU 1", "e_invoice_rejected")]
    later(engine)
    assert submit_due(engine, Authority()).sent == 0  # neither is handed over again by itself
    assert decide(engine, "FU", 1, reference=None) == "due"
    assert decide(engine, "FU", 2, reference="index 77") == "sent"
    assert submit_due(engine, Authority(FU1="index 78")).sent == 1
    with pytest.raises(RefusedError, match="FU 1 is sent already"):
        decide(engine, "FU", 1, reference=None)
    assert quarantined(engine) == []


def test_a_folder_that_cannot_be_written_is_tried_again_later(engine: Engine, made: Settings, tmp_path: Path) -> None:
    make_missing(engine, made)
    blocked = tmp_path / "a-file"
    blocked.write_text("no folder")
    assert submit_due(engine, Folder(blocked)).again == 2
    later(engine)
    assert submit_due(engine, Folder(tmp_path / "folder")).sent == 2


def test_the_last_day_for_an_e_invoice_turns_the_check_red(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2)))
    made = office(settings, ON_STOCK)
    issue_due(engine, made, now=datetime(2026, 1, 5, 12, tzinfo=UTC))
    found = {one.rule: one for one in check_documents(engine, made)}
    assert found["submitted_in_time"].offending_rows == 1
    make_missing(engine, made)
    decide(engine, "FU", 1, reference="by hand")
    assert {one.rule: one for one in check_documents(engine, made)}["submitted_in_time"].passed


def parcel(engine: Engine, order_id: str, number: str, state: str, place: int = 1) -> None:
    """A parcel of the order that came to this state, as its courier would have it."""
    with engine.begin() as connection:
        values = {"order": order_id, "number": number, "state": state, "place": place}
        connection.execute(
            sa.text(
                "insert into cloudsales.waybill (order_id, courier, reference, parcel, parcels, number, weight_grams)"
                " select order_id, 'fan', external_id || '/' || :place, :place, 2, :number, 500"
                " from cloudsales.sales_order where external_id = :order on conflict do nothing"
            ),
            values,
        )
        connection.execute(sa.text("update cloudsales.waybill set state = :state where number = :number"), values)
        connection.execute(
            sa.text(
                "insert into cloudsales.document_handover (order_id, waybill_id)"
                " select order_id, waybill_id from cloudsales.waybill where number = :number on conflict do nothing"
            ),
            values,
        )


def test_f18_a_channel_hears_of_the_parcels_way_once_and_only_of_its_latest_state(engine: Engine, made: Settings) -> None:
    desk = Desk()
    given(engine, desk, made)
    desk.states.clear()
    parcel(engine, "FO1", "AWB-1", "shipped", 1)
    parcel(engine, "FO1", "AWB-2", "created", 2)
    parcel(engine, "FO2", "AWB-3", "shipped")
    parcel(engine, "FO2", "AWB-3", "delivered")  # shipped was not told yet, and never will be
    done = given(engine, desk, made)
    assert (done.given, done.states) == (3, 2)
    assert sorted(desk.states) == [("FO1", "shipped"), ("FO2", "delivered")]
    assert ("FO1", "waybill", "AWB-1") in desk.kept
    desk.states.clear()
    parcel(engine, "FO1", "AWB-1", "delivered", 1)
    assert given(engine, desk, made).states == 0  # one of its two parcels is on its way still
    parcel(engine, "FO1", "AWB-2", "delivered", 2)
    assert (given(engine, desk, made).states, desk.states) == (1, [("FO1", "delivered")])


def test_a_waybill_that_was_cancelled_first_is_never_shown_to_the_channel(engine: Engine, made: Settings) -> None:
    desk = Desk()
    given(engine, desk, made)
    parcel(engine, "FO1", "AWB-1", "cancelled")
    assert given(engine, desk, made) == HandedOver()
    assert rows(engine, "select state from cloudsales.document_handover where waybill_id is not null") == [("not_needed",)]


def test_an_orders_story_goes_on_to_its_documents_what_the_channel_was_given_and_the_messages(
    engine: Engine, made: Settings
) -> None:
    make_missing(engine, made)
    given(engine, Desk(), made)
    with engine.begin() as connection:
        told = Outgoing("order", "FO1", "invoice_issued", "email", "ana@example.ro", "Factura", "Bună", channel="fashionup")
        enqueue(connection, [told])
    with engine.connect() as connection:
        story = story_of(connection, "fashionup", "FO1")
    steps = [(row["what"], row["detail"]) for row in story.timeline if row["what"].startswith(("document", "channel", "message"))]
    assert [what for what, _ in steps] == ["document_issued", "channel_was_given", "channel_was_told", "message_waits"]
    assert steps[1][1] == {"kind": "fiscal_invoice", "number": "FU 1"}
    assert steps[3][1] == {"event": "invoice_issued", "medium": "email"}
    assert "ana@" not in str(story)
