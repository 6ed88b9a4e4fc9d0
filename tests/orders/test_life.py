"""The life of an order: goods leave, cancelled here, given up unpaid, looked at; and the table of what may happen when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.port import ChannelOrderStatus, PaymentStatus
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders import life, returns
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.orders.states import TRANSITIONS, Happening, Status, after, said
from cloudsales_pipeline.stock.movements import post
from tests.killing import killed_at_each_step
from tests.orders.losing import losing_first_commit
from tests.orders.market import NOON, line, lines_of, market, order, receive, shop, statuses, told
from tests.stock.shelf import ledger_sums, levels, receipt, rows

UNPAID = shop(expire_unpaid_after={"cash_on_delivery": timedelta(days=2)})
LATE = NOON + timedelta(days=3)


def issue(engine: Engine, order_id: str = "FO1", **how: object) -> life.Outcome:
    return life.issue(engine, "fashionup", order_id, **how)  # type: ignore[arg-type]


def sales(engine: Engine) -> list[tuple[str, str, str, int]]:
    return rows(  # type: ignore[return-value]
        engine, "select reference, warehouse, sku, quantity from analytics.stock_movement where reason = 'sale' order by 1, 2, 3"
    )


# ------------------------------------------------------------------------------------------------ goods leave


def test_i16_goods_leave_from_where_they_were_held_and_a_repeat_does_nothing(engine: Engine) -> None:
    market(engine, {"R-1": 2, "R-2": 4})
    post(engine, [receipt("cluj", "R-1", 5, "CLUJ")])
    one = order("FO1", line("R-1", 3, line_id="a"), line("R-2", 1, line_id="b"), status="paid")
    receive(engine, one, settings=shop(warehouses=("CENTRAL", "CLUJ")))
    done = issue(engine)
    assert (done.changed, done.status, done.pieces) == (True, "issued", 4)
    assert lines_of(engine) == {"fashionup/FO1/a": (3, 0, 0, 3, 0), "fashionup/FO1/b": (1, 0, 0, 1, 0)}
    assert levels(engine) == {("CENTRAL", "R-1"): (0, 0), ("CENTRAL", "R-2"): (3, 0), ("CLUJ", "R-1"): (4, 0)}
    left = [
        ("issue:fashionup/FO1", "CENTRAL", "R-1", -2),
        ("issue:fashionup/FO1", "CENTRAL", "R-2", -1),
        ("issue:fashionup/FO1", "CLUJ", "R-1", -1),
    ]
    assert sales(engine) == left
    assert told(engine, "order_issued") == [("order_issued", "fashionup/FO1", 4)]
    again = issue(engine)
    assert (again.changed, again.pieces, again.note) == (False, 0, "all of it has left before")
    assert sales(engine) == left


def test_with_a_waiting_line_only_named_lines_or_a_partial_issue_leave(engine: Engine) -> None:
    market(engine, {"R-1": 1, "R-2": 1})
    receive(engine, order("FO1", line("R-1", 2, line_id="a"), line("R-2", 1, line_id="b")))
    with pytest.raises(RefusedError, match="1 pieces of order FO1 of fashionup still wait"):
        issue(engine)
    assert (issue(engine, lines=["b"]).status, issue(engine, lines=["b"]).changed) == ("new", False)
    assert issue(engine, partial=True).pieces == 1
    assert told(engine, "order_partly_issued", "order_issued") == [("order_partly_issued", "fashionup/FO1", 1)] * 2
    with pytest.raises(RefusedError, match="Nothing is reserved"):
        issue(engine)
    post(engine, [receipt("more", "R-1", 1)], then=serve)
    assert issue(engine).status == "issued"
    assert [one[0] for one in sales(engine)] == ["issue:fashionup/FO1", "issue:fashionup/FO1:2", "issue:fashionup/FO1:3"]
    assert lines_of(engine)["fashionup/FO1/a"] == (2, 0, 0, 2, 0)


def test_a_document_of_the_operators_own_is_issued_once_and_never_reused(engine: Engine) -> None:
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-1")))
    assert issue(engine, reference="AVIZ-1").changed
    assert not issue(engine, reference="AVIZ-1").changed
    with pytest.raises(RefusedError, match="can't be posted"):
        issue(engine, "FO2", reference="AVIZ-1")
    assert lines_of(engine)["fashionup/FO2/1"] == (1, 1, 0, 0, 0)
    assert levels(engine)["CENTRAL", "R-1"] == (2, 1)


def test_what_is_not_there_or_not_to_be_sent_is_refused(engine: Engine) -> None:
    market(engine, {"R-1": 3}, more=("R-9",))
    receive(engine, order("HELD", line("R-1"), status="unknown"), order("GONE", line("R-1"), status="cancelled"))
    receive(engine, order("DRY", line("R-9")))
    for order_id, why in (("HELD", "is held"), ("GONE", "is cancelled"), ("DRY", "Nothing is reserved")):
        with pytest.raises(RefusedError, match=why):
            issue(engine, order_id)
    with pytest.raises(InputError, match="no order FO7 of fashionup"):
        issue(engine, "FO7")
    with pytest.raises(InputError, match="no line zz in order DRY"):
        issue(engine, "DRY", lines=["zz"])
    assert sales(engine) == []


def test_an_id_as_long_as_a_channel_may_have_still_has_a_reference(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    names = ("X" * 199 + "1", "X" * 199 + "2")
    receive(engine, *(order(name, line("R-1")) for name in names))
    for name in names:
        assert issue(engine, name).status == "issued"
    assert len({one[0] for one in sales(engine)}) == 2


def test_two_operators_who_issue_the_same_order_at_once_issue_it_once(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2)))
    start = threading.Barrier(4)
    done: list[bool] = []

    def operator() -> None:
        start.wait()
        done.append(issue(engine).changed)

    operators = [threading.Thread(target=operator) for _ in range(4)]
    for one in operators:
        one.start()
    for one in operators:
        one.join()
    assert sorted(done) == [False, False, False, True]
    assert levels(engine)["CENTRAL", "R-1"] == (3, 0)


@pytest.mark.timeout(60)
def test_killed_at_any_step_of_an_issue_and_done_again_it_is_as_if_undisturbed(engine: Engine, database_url: URL) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2)))
    kills = sum(1 for _ in killed_at_each_step(database_url, issue))
    assert kills >= 8
    assert not issue(engine).changed
    assert (levels(engine)["CENTRAL", "R-1"], ledger_sums(engine)["CENTRAL", "R-1"]) == ((3, 0), 3)
    assert told(engine, "order_issued") == [("order_issued", "fashionup/FO1", 2)]


@pytest.mark.parametrize("done", [True, False])
def test_f22_a_part_whose_commit_is_lost_leaves_once_and_what_is_reserved_meanwhile_stays(
    engine: Engine, database_url: URL, *, done: bool
) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 3)))
    more: list[object] = []

    def receive_more() -> None:
        more.append(post(engine, [receipt("more", "R-1", 1)], then=serve) if done else None)

    with losing_first_commit(database_url, done=done, then=receive_more) as losing:
        outcome = issue(losing, partial=True)
    assert (outcome.changed, outcome.pieces, outcome.note) == (True, 1, "under issue:fashionup/FO1")
    assert [one[0] for one in sales(engine)] == ["issue:fashionup/FO1"]
    assert lines_of(engine)["fashionup/FO1/1"] == ((3, 1, 1, 1, 0) if done else (3, 0, 2, 1, 0))


def test_f22_a_part_whose_commit_is_lost_is_not_refused_as_having_nothing_to_send(engine: Engine, database_url: URL) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 3)))
    with losing_first_commit(database_url, done=True) as losing:
        outcome = issue(losing, partial=True)
    assert (outcome.changed, outcome.status, outcome.pieces) == (True, "new", 1)
    assert lines_of(engine)["fashionup/FO1/1"] == (3, 0, 2, 1, 0)


# ------------------------------------------------------------------------------------------------ cancelled, expired, reviewed


def test_i17_cancelled_here_frees_the_pieces_for_who_waits_and_again_changes_nothing(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 2), minutes=1))
    done = life.cancel_here(engine, "fashionup", "FO1")
    assert (done.changed, done.status, done.pieces, done.served) == (True, "cancelled", 2, 2)
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 0, 0, 0, 2), "fashionup/FO2/1": (2, 2, 0, 0, 0)}
    before = told(engine)
    assert not life.cancel_here(engine, "fashionup", "FO1").changed
    assert told(engine) == before


def test_cancelled_here_after_a_part_has_left_keeps_that_issued_and_asks_for_a_look(engine: Engine) -> None:
    market(engine, {"R-1": 1, "R-2": 1})
    receive(engine, order("FO1", line("R-1", line_id="a"), line("R-2", line_id="b")))
    issue(engine, lines=["a"])
    life.cancel_here(engine, "fashionup", "FO1")
    assert lines_of(engine) == {"fashionup/FO1/a": (1, 0, 0, 1, 0), "fashionup/FO1/b": (1, 0, 0, 0, 1)}
    assert rows(engine, "select status, review from analytics.sales_order") == [("cancelled", ["cancelled_after_issue"])]
    done = life.clear_review(engine, "fashionup", "FO1")
    assert (done.changed, done.note) == (True, "cancelled_after_issue")
    assert not life.clear_review(engine, "fashionup", "FO1").changed
    assert rows(engine, "select review from analytics.sales_order") == [([],)]


def test_cancelling_an_order_with_an_unknown_line_takes_its_question_away(engine: Engine) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("NOVA")))
    life.cancel_here(engine, "fashionup", "FO1")
    assert rows(engine, "select count(*) from cloudsales.quarantine where resolved_at is null") == [(0,)]


def test_an_order_not_paid_in_time_gives_back_what_it_holds_and_takes_its_place_again_when_paid(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 1), minutes=60))
    receive(engine, order("FO3", line("R-1", 1), minutes=90, status="paid"))
    after_two_days = NOON + timedelta(days=2, minutes=30)
    assert life.expire_unpaid(engine, "fashionup", UNPAID, now=after_two_days) == 1
    assert life.expire_unpaid(engine, "fashionup", UNPAID, now=after_two_days) == 0
    assert statuses(engine) == {"FO1": "expired", "FO2": "new", "FO3": "paid"}
    assert lines_of(engine) == {
        "fashionup/FO1/1": (2, 0, 0, 0, 2),
        "fashionup/FO2/1": (1, 1, 0, 0, 0),
        "fashionup/FO3/1": (1, 1, 0, 0, 0),
    }
    assert told(engine, "order_expired") == [("order_expired", "fashionup/FO1", None)]
    receive(engine, order("FO1", line("R-1", 2), revision=2, status="paid"))
    receive(engine, order("FO4", line("R-1", 1), minutes=200))
    assert (statuses(engine)["FO1"], lines_of(engine)["fashionup/FO1/1"]) == ("paid", (2, 0, 2, 0, 0))
    post(engine, [receipt("more", "R-1", 2)], then=serve)
    assert lines_of(engine)["fashionup/FO1/1"] == (2, 2, 0, 0, 0)
    assert lines_of(engine)["fashionup/FO4/1"] == (1, 0, 1, 0, 0)


def test_without_an_age_or_with_goods_on_their_way_nothing_expires(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1", 1, line_id="a"), line("R-1", 1, line_id="b")))
    issue(engine, lines=["a"])
    receive(engine, order("PAID", line("R-1"), payment_status=PaymentStatus.PAID))
    assert life.expire_unpaid(engine, "fashionup", shop(), now=LATE) == 0
    assert life.expire_unpaid(engine, "fashionup", UNPAID, now=LATE) == 0
    assert levels(engine)["CENTRAL", "R-1"] == (8, 2)


def test_more_unpaid_orders_than_one_transaction_takes_all_expire(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "EXPIRED_AT_ONCE", 3)
    market(engine, {"R-1": 10})
    receive(engine, *(order(f"FO{n}", line("R-1"), minutes=n) for n in range(8)))
    assert life.expire_unpaid(engine, "fashionup", UNPAID, now=LATE) == 8
    assert levels(engine)["CENTRAL", "R-1"] == (10, 0)


# ------------------------------------------------------------------------------------------------ the table


def test_every_word_of_a_channel_has_an_entry_for_every_status() -> None:
    words = {said(word) for word in ChannelOrderStatus}
    assert set(TRANSITIONS) == set(Status)
    for status, may in TRANSITIONS.items():
        assert words <= set(may), status
    assert all(after(None, word) is not None for word in words)


def arrange(engine: Engine, status: Status, order_id: str, happening: Happening) -> None:
    """An order of one piece in that status; where goods are to come back, they have left before."""
    first = {Status.PAID: "paid", Status.HELD: "unknown"}.get(status, "new")
    sent = status in (Status.ISSUED, Status.RETURNED) or (status is Status.CANCELLED and happening is Happening.ALL_RETURNED)
    receive(engine, order(order_id, line("R-1"), status=first))
    if sent:
        issue(engine, order_id)
    if status in (Status.CANCELLED, Status.RETURNED):
        receive(engine, order(order_id, line("R-1"), status=status.value, revision=2))
    if status is Status.EXPIRED:
        life.expire_unpaid(engine, "fashionup", UNPAID, now=LATE)
    assert statuses(engine)[order_id] == status


def come_back(engine: Engine, order_id: str) -> None:
    returns.receive_return(engine, "fashionup", order_id, {"1": 1}, reference=f"R-{order_id}")
    returns.restock(engine, "fashionup", shop(), order_id, {"1": 1}, reference=f"R-{order_id}")


OURS: dict[Happening, Callable[[Engine, str], object]] = {
    Happening.ALL_ISSUED: issue,
    Happening.ALL_RETURNED: come_back,
    Happening.UNPAID_TOO_LONG: lambda engine, _: life.expire_unpaid(engine, "fashionup", UNPAID, now=LATE),
    Happening.CANCELLED_HERE: lambda engine, order_id: life.cancel_here(engine, "fashionup", order_id),
}
WORDS = {said(word): word.value for word in ChannelOrderStatus}


@pytest.mark.parametrize("status", list(Status))
def test_i16_i17_i18_what_may_happen_leads_where_the_table_says_and_all_else_is_refused(engine: Engine, status: Status) -> None:
    assert set(OURS) | set(WORDS) == set(Happening)
    market(engine, {"R-1": 100})
    for number, happening in enumerate(Happening):
        order_id = f"FO{number}"
        arrange(engine, status, order_id, happening)
        before = lines_of(engine)[f"fashionup/{order_id}/1"]
        leads_to = after(status, happening)
        if happening in WORDS:
            receive(engine, order(order_id, line("R-1"), status=WORDS[happening], revision=9))
        elif leads_to is None and happening is not Happening.UNPAID_TOO_LONG and happening != status_reached_by(status):
            with pytest.raises(RefusedError):
                OURS[happening](engine, order_id)
        else:
            OURS[happening](engine, order_id)
        assert statuses(engine)[order_id] == (leads_to or status), happening
        if leads_to is None:
            assert lines_of(engine)[f"fashionup/{order_id}/1"] == before, happening


def status_reached_by(status: Status) -> Happening | None:
    """What is only a repeat in that status, and says so instead of being refused."""
    return Happening.ALL_ISSUED if status is Status.ISSUED else None
