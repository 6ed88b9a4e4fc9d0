"""What a watcher remembers of an inbox: complete by our own clock alone, asked again, but ever more seldom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cloudsales_pipeline.channels.folders import Entry
from cloudsales_pipeline.stock.inbox_watch import MOST_WATCHED, Watch, asked, complete, failed, is_due, seen

FAR_OFF = datetime(2031, 1, 1, tzinfo=UTC)  # the folder's clock is years ahead, and it does not matter


def entry(name: str, size: int = 10, minutes: int = 0) -> Entry:
    return Entry(name, size, FAR_OFF + timedelta(minutes=minutes))


def test_a_file_is_complete_when_it_stayed_the_same_for_two_seconds_of_our_clock() -> None:
    watch = seen(Watch(), [entry("a"), entry("b")], None, 100.0)
    assert complete(watch, 100.0, 2.0) == []
    watch = seen(watch, [entry("a"), entry("b", size=11)], None, 102.0)
    assert complete(watch, 102.0, 2.0) == ["a"]
    watch = seen(watch, [entry("a"), entry("b", size=11, minutes=1)], None, 104.0)
    assert complete(watch, 105.9, 2.0) == ["a"]
    assert complete(watch, 106.0, 2.0) == ["a", "b"]


def test_what_a_run_left_is_asked_for_again_after_a_minute_then_two_then_four_and_a_new_file_at_once() -> None:
    watch, now, pauses = seen(Watch(), [entry("a")], None, 0.0), 10.0, []
    for _ in range(8):
        at = now
        while not is_due(watch, ["a"], now, 60.0):
            now += 30.0
        pauses.append(now - at)
        watch = asked(watch, ["a"], now)
    assert pauses == [0.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 1920.0]
    watch = seen(watch, [entry("a"), entry("b")], None, now)
    assert not is_due(watch, ["a"], now + 1, 60.0)
    assert is_due(watch, ["a", "b"], now + 1, 60.0)


def test_a_file_that_was_replaced_is_new_and_an_empty_inbox_forgets_its_pauses() -> None:
    watch = asked(seen(Watch(), [entry("a")], None, 0.0), ["a"], 5.0)
    assert is_due(seen(watch, [entry("a", size=99)], None, 6.0), ["a"], 6.0, 60.0)
    assert seen(watch, [], None, 7.0) == Watch(asked_at=5.0)


def test_what_is_still_to_be_archived_counts_as_complete_at_once() -> None:
    watch = seen(Watch(), [], 7, 50.0)
    assert complete(watch, 50.0, 2.0) == [""]
    assert is_due(watch, [""], 50.0, 60.0)
    assert not is_due(asked(watch, [""], 50.0), [""], 55.0, 60.0)


def test_a_folder_that_can_not_be_reached_is_tried_after_30_then_60_seconds_and_keeps_what_was_seen() -> None:
    watch = failed(seen(Watch(), [entry("a")], None, 0.0), "away", 10.0, 30.0)
    assert (watch.failure, watch.look_again_at) == ("away", 40.0)
    watch = failed(watch, "away", 40.0, 30.0)
    assert watch.look_again_at == 100.0
    assert complete(seen(watch, [entry("a")], None, 100.0), 100.0, 2.0) == ["a"]


def test_of_a_flooded_inbox_a_bounded_number_is_remembered() -> None:
    assert len(seen(Watch(), [entry(f"{n}") for n in range(2_000)], None, 0.0).files) == MOST_WATCHED
