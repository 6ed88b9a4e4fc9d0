"""Templates, texts, numbers and hours: what is refused when settings load, and what a buyer reads."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from datetime import time as clock
from pathlib import Path

import pytest

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.messages.context import FIELDS, name_of, sample
from cloudsales_pipeline.messages.hours import quiet_until
from cloudsales_pipeline.messages.html import page_of
from cloudsales_pipeline.messages.recipients import masked
from cloudsales_pipeline.messages.rules import check_rules, texts_of
from cloudsales_pipeline.messages.sms import folded, segments
from cloudsales_pipeline.settings import Settings, load_settings
from cloudsales_pipeline.settings.messages import EVENTS
from tests.messages.shop import shop_of

NIGHT = (clock(21), clock(9))
BUCHAREST = "Europe/Bucharest"


def own(tmp_path: Path, text: str, kind: str = "txt") -> Path:
    """A user's folder with a template for order_imported in Romanian."""
    (tmp_path / "ro").mkdir(parents=True, exist_ok=True)
    (tmp_path / "ro" / f"order_imported.{kind}.j2").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("language", ["ro", "en"])
def test_every_event_has_a_mail_with_a_subject_and_an_sms_of_one_segment(settings: Settings, language: str) -> None:
    shop = shop_of(settings)
    context = sample(shop, language)
    for event in EVENTS:
        mail = texts_of(shop, "email", event, language).render(context)
        sms = texts_of(shop, "sms", event, language).render(context)
        assert "FO-1" in mail.title
        assert "\n" not in mail.title
        assert mail.text.endswith("Atelier Fictiv SRL")
        assert "\n\n\n" not in mail.text
        assert "Ana" in (mail.html or "")
        assert segments(sms.text) == 1, sms.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s\n{{ oder_number }}", "ro/order_imported.txt.j2, line 2: the template names oder_number, which is no field; did you mean order_number?"),
        ("s\n\n{% for l in lines %}{{ l.nam }}{% endfor %}", "line 3: the template names l.nam, which is no field; did you mean l.name?"),
        ("s\n{% if %}", "line 2: the template can't be read (Expected an expression"),
        ("s\n{% for x in range(10**9) %}.{% endfor %}", "line 2: the template goes through something else than a field"),
        ("s\n{% for l in lines %}{{ range(10**9) }}{% endfor %}", "line 2: the template uses a call with ( )"),
        ("s\n{{ 'a' * 10 }}", "uses `*`"),
        ("s\n{% for a in lines %}{% for b in lines %}.{% endfor %}{% endfor %}", "has a `for` inside a `for`"),
        ("s\n{% set x = 1 %}", "uses `set`"),
        ("s\n{{ buyer_name.__class__ }}", "names buyer_name.__class__, which is no field"),
        ("s\n{{ lines[0] }}", "uses [ ]"),
        ("s\n{{ buyer_name|center(1) }}", "line 2: the template uses the filter center; known are capitalize"),
        ("s\n{% include '/etc/passwd' %}", "uses `include`"),
        ("s\n{{ pieces_waiting + buyer_name }}", "line 2: the template can't be rendered"),
        ("s\n{% for a in lines %}" + "x" * 19_000, "the template can't be read (Unexpected end of template"),
        ("s\n{{ 1" + "+1" * 9_000 + " }}", "is nested too deeply"),
        ("s\n{{ " + "not " * 4_000 + "locker }}", "is nested too deeply"),
        ("s" * 20_001, "is longer than 20000 characters"),
        ("subject alone", "has no text behind its first line"),
    ],
)  # fmt: skip
def test_a_template_with_a_fault_is_refused_with_its_line_and_what_is_near(
    settings: Settings, tmp_path: Path, text: str, said: str
) -> None:
    begun = time.process_time()
    with pytest.raises(SettingsError) as refused:
        check_rules(shop_of(settings, {"on": "order_imported"}, templates=own(tmp_path, text)))
    assert said in refused.value.message
    assert refused.value.message.startswith("messages.rules: rule 1 (order_imported): ")
    assert time.process_time() - begun < 2


def test_a_users_template_goes_before_the_included_one_and_html_is_escaped(settings: Settings, tmp_path: Path) -> None:
    folder = own(tmp_path, "Salut {{ order_number }}\n\n{{ buyer_name }}")
    own(tmp_path, "<b>{{ lines|length }} {{ buyer_name }}</b>", "html")
    context = {**sample(settings, "ro"), "buyer_name": "<script>{{ 7*7 }}"}
    words = texts_of(shop_of(settings, templates=folder), "email", "order_imported", "ro").render(context)
    assert (words.title, words.text) == ("Salut FO-1", "<script>{{ 7*7 }}")
    assert words.html == "<b>1 &lt;script&gt;{{ 7*7 }}</b>"


def test_the_html_that_is_made_of_a_text_is_escaped_and_its_links_lead_where_they_say() -> None:
    page = page_of('Bună <b>ziua</b>\n\n- unu\n- doi\nhttps://x.ro/?a=1&b="2.', 'T<"', "ro")
    assert "Bună &lt;b&gt;ziua&lt;/b&gt;" in page
    assert '<a href="https://x.ro/?a=1&amp;b=">https://x.ro/?a=1&amp;b=</a>&quot;2.' in page
    assert page.count("<li") == 2
    assert "<title>T&lt;&quot;</title>" in page


def test_i48_what_is_no_name_is_left_out_of_the_greeting() -> None:
    assert name_of("Ana-Maria  Câmpeanu\r\nBcc: all@x.ro") == ""
    assert name_of("{{7*7}}") == name_of("CÂȘTIGĂ 1000 lei www.rău.ro") == name_of("A" * 61) == name_of("(erased)") == ""
    assert name_of("Ana-Maria D'Angelo Câmpeanu jr.") == "Ana-Maria D'Angelo Câmpeanu jr."


def test_segments_of_sms() -> None:
    assert [segments(text) for text in ("", "a" * 160, "a" * 161, "a" * 306, "a" * 307)] == [0, 1, 2, 2, 3]
    assert [segments(text) for text in ("€" * 80, "€" * 81, "ș" * 70, "ș" * 71, "😀" * 35, "😀" * 36)] == [1, 2, 1, 2, 1, 2]
    assert segments("a" * 10_000) == 66
    assert folded("„Ștefan” are țânțari – și 5 €…") == '"Stefan" are tantari - si 5 €...'
    assert segments(folded("Ă" * 160)) == 1


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-24T18:59", None),  # 20:59 here
        ("2026-11-24T19:00", "2026-11-25T07:00"),
        ("2026-11-25T06:59", "2026-11-25T07:00"),
        ("2026-11-25T07:00", None),
        ("2026-03-28T20:00", "2026-03-29T06:00"),  # clocks go forward in that night: 9:00 is 6:00 UTC
        ("2026-10-24T20:00", "2026-10-25T07:00"),  # and back: 9:00 is 7:00 UTC
    ],
)
def test_quiet_hours_end_at_nine_by_the_clock_also_when_clocks_change(now: str, end: str | None) -> None:
    found = quiet_until(datetime.fromisoformat(now).replace(tzinfo=UTC), NIGHT, BUCHAREST)
    assert found == (datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None)


def test_an_end_that_the_clocks_show_twice_or_never_is_the_later_moment() -> None:
    hours = (clock(21), clock(3, 30))
    twice = quiet_until(datetime(2026, 10, 24, 20, tzinfo=UTC), hours, BUCHAREST)
    never = quiet_until(datetime(2026, 3, 28, 20, tzinfo=UTC), hours, BUCHAREST)
    assert (twice, never) == (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert quiet_until(datetime(2026, 11, 24, 12, tzinfo=UTC), (clock(13), clock(15)), BUCHAREST) == datetime(
        2026, 11, 24, 13, tzinfo=UTC
    )
    assert quiet_until(datetime(2026, 11, 24, 12, tzinfo=UTC), None, BUCHAREST) is None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{on: order_importd, medium: email}", "line 5: messages.rules.0.on: 'order_importd' is no event of an order; did you mean order_imported?"),
        ("{on: paid, medium: sms, attach: [waybill]}", "files go with e-mails alone"),
        ("{on: paid, channels: [nowhere]}", "messages.rules: rule 1 names the channel nowhere; known are: f"),
        ("{on: paid, template: paied}", "line 5: messages.rules: rule 1 (paid): there is no template ro/paied.txt.j2; did you mean paid?"),
        ("{on: paid, medium: sms, to: '0906123456'}", "`to` is neither buyer nor one that an sms can go to (number_premium)"),
        ("{on: paid, to: 'a@x.ro, b@x.ro'}", "(address_invalid)"),
    ],
)  # fmt: skip
def test_a_rule_with_a_fault_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, said: str
) -> None:
    file = tmp_path / "cloudsales.yaml"
    file.write_text(f"channels:\n  f: {{kind: fashionup, url: 'http://x/v1'}}\nmessages:\n  rules:\n    - {rule}\n")
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(file))
    with pytest.raises(SettingsError) as refused:
        check_rules(load_settings())
    assert said in refused.value.message


def test_yaml_reads_the_key_on_as_true_and_rules_read_it_as_on(tmp_path: Path) -> None:
    file = tmp_path / "cloudsales.yaml"
    file.write_text(
        "messages:\n  templates: words\n  quiet_hours: [22:30, 8:00]\n  rules:\n    - {on: waybill_delivered, medium: sms}\n"
    )
    messages = load_settings(file).messages
    assert (messages.rules[0].on, messages.templates, messages.quiet_hours) == (
        "waybill_delivered", tmp_path / "words", (clock(22, 30), clock(8)),
    )  # fmt: skip


def test_every_field_has_a_value_and_recipients_are_masked(settings: Settings) -> None:
    assert set(sample(settings, "ro")) == set(FIELDS)
    assert (masked("ana@example.ro"), masked("+40722123456"), masked("")) == ("an…@example.ro", "+407…56", "")
