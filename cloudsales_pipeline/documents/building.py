"""What stands on an invoice, worked out of an order; and on a storno, out of the invoice that it corrects. Pure.

What belongs here: lines, taxes and totals. What does not: who may be issued what (`issuing`), and how it looks (`pdf`, `ubl`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec

from cloudsales_pipeline.documents import amounts, vat
from cloudsales_pipeline.documents.amounts import ZERO
from cloudsales_pipeline.documents.content import Content, Kind, Line, Reference, Tax
from cloudsales_pipeline.documents.parties import buyer_of, flags_of_buyer, seller_of
from cloudsales_pipeline.documents.snapshot import OrderSnapshot
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.settings.company import CompanySettings

WORDS = {
    "ro": {"delivery": "Livrare", "discount": "Reducere comercială"},
    "en": {"delivery": "Delivery", "discount": "Discount"},
}


def build_content(
    order: OrderSnapshot,
    *,
    kind: Kind,
    number: str,
    seller: CompanySettings,
    issued_on: date,
    due_on: date,
    language: Literal["ro", "en"],
) -> Content:
    """An invoice of all that the order still holds. `number` as it is printed: "FU 123".

    What is to be paid is what the lines, the delivery and the discounts say, with VAT; `flags_of` tells where the channel's own
    total differs.

    Raises:
        CloudSalesError: the order holds nothing, or its day of supply is before the table of rates.
    """
    supplied_on = order.supplied_on or issued_on
    party = seller_of(seller)
    lines = _with_nets(_lines_of(order, supplied_on, payer=party.vat_payer, language=language))
    if not lines:
        raise CloudSalesError(
            f"Order {order.channel}/{order.external_id} holds nothing that an invoice could list.",
            next_step="an order whose lines are all cancelled needs no invoice",
        )
    taxes = _taxes(lines, payer=party.vat_payer)
    return Content(
        kind=kind,
        number=number,
        issued_on=issued_on,
        supplied_on=supplied_on,
        due_on=due_on,
        currency=order.currency,
        language=language,
        seller=party,
        buyer=buyer_of(order.buyer),
        lines=lines,
        taxes=taxes,
        paid=order.paid,
        payment_method=order.payment_method,
        channel=order.channel,
        order_id=order.external_id,
        **_totals(lines, taxes),
    )


def flags_of(order: OrderSnapshot, content: Content) -> tuple[str, ...]:
    """What a person should know of an issued invoice: buyer_tax_id_invalid, buyer_without_address, total_differs."""
    differs = ("total_differs",) if content.payable != order.total else ()
    return (*flags_of_buyer(order.buyer), *differs)


def storno_content(
    original: Content,
    back: Mapping[int, int] | None,
    *,
    number: str,
    issued_on: date,
    before: Sequence[Content] = (),
) -> Content:
    """The correction of an invoice: in whole, or by what came back; its amounts are negative, its rates the original's (F-35).

    Args:
        original: the invoice.
        back: pieces by the position of their line in the original; the delivery's position may be among them. None: all that
            is left. Discounts on the order go back in proportion to the goods.
        number: as it is printed.
        issued_on: the storno's day.
        before: the stornos that the invoice has already. Each takes the difference of the sums, so that all of them add up
            to the original to the cent, in VAT and rounding too.

    Raises:
        CloudSalesError: more came back than is left, or nothing.
    """
    gone = _gone(before)
    after = _share(original, _taken(original, back, gone))
    bases = _bases_less(original, after, before)
    lines = _minus(_less(after, _sums(before)), bases)
    if not lines:
        raise CloudSalesError(
            f"Nothing of {original.number} is left to correct.", next_step="look at the stornos that the invoice has"
        )
    taxes = _taxes_less(original, bases, before)
    return msgspec.structs.replace(
        original,
        kind="storno",
        number=number,
        issued_on=issued_on,
        due_on=issued_on,
        lines=lines,
        taxes=taxes,
        corrects=Reference(original.number, original.issued_on),
        **_totals(lines, taxes),
    )


def _lines_of(order: OrderSnapshot, day: date, *, payer: bool, language: Literal["ro", "en"]) -> list[Line]:
    goods = [
        _line(
            place,
            kind="goods",
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            price=line.unit_price,
            discount=line.discount,
            rate=vat.rate_of_line(line.vat_rate, day) if payer else Decimal(0),
        )
        for place, line in enumerate((line for line in order.lines if line.quantity > 0), start=1)
    ]
    lines = list(goods)
    words = WORDS[language]
    if order.delivery_price:
        rate = vat.rate_of_delivery(_by_rate(goods), day) if payer else Decimal(0)
        lines.append(_line(len(lines) + 1, kind="delivery", name=words["delivery"], price=order.delivery_price, rate=rate))
    over = goods if sum((line.gross for line in goods), ZERO) >= order.discount else lines
    for rate, part in amounts.spread_by_rate(order.discount, _by_rate(over)).items():
        lines.append(_line(len(lines) + 1, kind="discount", name=words["discount"], price=-part, rate=rate))
    return lines


def _line(
    position: int,
    *,
    kind: Literal["goods", "delivery", "discount"],
    name: str,
    price: Decimal,
    rate: Decimal,
    sku: str = "",
    quantity: int = 1,
    discount: Decimal = ZERO,
) -> Line:
    return Line(
        position=position,
        sku=sku,
        name=name,
        quantity=quantity,
        unit_price=price,
        discount=discount,
        gross=amounts.half_up(price * quantity - discount),
        net=ZERO,
        vat_rate=rate,
        kind=kind,
    )


def _with_nets(lines: Sequence[Line]) -> tuple[Line, ...]:
    nets = amounts.nets_of([(line.vat_rate, line.gross) for line in lines])
    return tuple(msgspec.structs.replace(line, net=net) for line, net in zip(lines, nets, strict=True))


def _by_rate(lines: Iterable[Line]) -> dict[Decimal, Decimal]:
    values: dict[Decimal, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        values[line.vat_rate] += line.gross
    return dict(values)


def _bases(lines: Iterable[Line]) -> dict[Decimal, Decimal]:
    bases: dict[Decimal, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        bases[line.vat_rate] += line.net
    return dict(bases)


def _taxes(lines: Sequence[Line], *, payer: bool) -> tuple[Tax, ...]:
    return tuple(
        Tax(rate=rate, category=_category(rate, payer=payer), base=base, vat=amounts.vat_of(base, rate))
        for rate, base in sorted(_bases(lines).items(), reverse=True)
    )


def _category(rate: Decimal, *, payer: bool) -> str:
    """UNCL 5305: out of VAT's scope where the seller pays none, standard (any rate above zero), zero."""
    if not payer:
        return "O"
    return "S" if rate else "Z"


def _totals(lines: Sequence[Line], taxes: Sequence[Tax]) -> dict[str, Any]:
    net, tax = sum((each.base for each in taxes), ZERO), sum((each.vat for each in taxes), ZERO)
    payable = sum((line.gross for line in lines), ZERO)
    return {"net": net, "vat": tax, "rounding": payable - net - tax, "payable": payable}


def _gone(before: Sequence[Content]) -> dict[int, int]:
    gone: dict[int, int] = defaultdict(int)
    for line in (line for content in before for line in content.lines):
        gone[line.position] -= line.quantity
    return gone


def _taken(original: Content, back: Mapping[int, int] | None, gone: Mapping[int, int]) -> dict[int, int]:
    """Pieces that are back after this storno, by position, of goods and delivery."""
    wholes = {line.position: line.quantity for line in original.lines if line.kind != "discount"}
    if back is None:
        return wholes
    taken = {position: gone.get(position, 0) + back.get(position, 0) for position in wholes}
    if set(back) - set(wholes) or any(count < 0 for count in back.values()) or any(taken[p] > wholes[p] for p in wholes):
        raise CloudSalesError(
            f"More came back than {original.number} has left on its lines.", next_step="look at the order's returns and stornos"
        )
    return taken


def _share(original: Content, taken: Mapping[int, int]) -> list[Line]:
    """The original's lines, each with what of it is back so far."""
    shares = [
        msgspec.structs.replace(
            line,
            quantity=taken[line.position],
            discount=_part(line.discount, taken[line.position], line.quantity),
            gross=_part(line.gross, taken[line.position], line.quantity),
        )
        for line in original.lines
        if line.kind != "discount"
    ]
    goods, goods_back = _by_rate(_goods(original.lines)), _by_rate(_goods(shares))
    for line in original.lines:
        if line.kind == "discount":
            worth, back = goods.get(line.vat_rate, ZERO), goods_back.get(line.vat_rate, ZERO)
            part = amounts.half_up(line.gross * back / worth) if worth else ZERO
            shares.append(msgspec.structs.replace(line, gross=part, unit_price=part))
    return shares


def _goods(lines: Iterable[Line]) -> Iterable[Line]:
    return (line for line in lines if line.kind == "goods")


def _part(amount: Decimal, taken: int, quantity: int) -> Decimal:
    return amounts.half_up(amount * taken / quantity)


def _sums(before: Sequence[Content]) -> dict[int, tuple[int, Decimal, Decimal]]:
    """What earlier stornos hold by position: pieces, discount, gross; all negative."""
    sums: dict[int, tuple[int, Decimal, Decimal]] = {}
    for line in (line for content in before for line in content.lines):
        pieces, discount, gross = sums.get(line.position, (0, ZERO, ZERO))
        sums[line.position] = (pieces + line.quantity, discount + line.discount, gross + line.gross)
    return sums


def _less(after: Sequence[Line], sums: Mapping[int, tuple[int, Decimal, Decimal]]) -> list[Line]:
    """What is back so far less what earlier stornos hold, as positive lines; those on which nothing is left fall away."""
    lines = []
    for line in after:
        pieces, discount, gross = sums.get(line.position, (0, ZERO, ZERO))
        rest = line.gross + gross
        if line.kind == "discount":
            lines.append(msgspec.structs.replace(line, gross=rest, unit_price=rest))
        else:
            lines.append(
                msgspec.structs.replace(line, quantity=line.quantity + pieces, discount=line.discount + discount, gross=rest)
            )
    return [line for line in lines if line.gross or (line.quantity and line.kind != "discount")]


def _minus(lines: Sequence[Line], bases: Mapping[Decimal, Decimal]) -> tuple[Line, ...]:
    """The lines of the storno: negative, their net amounts adding up to its bases."""
    made = {}
    for rate, base in bases.items():
        same = [line for line in lines if line.vat_rate == rate]
        for line, net in zip(same, amounts.spread(base, [line.gross for line in same]), strict=True):
            made[line.position] = msgspec.structs.replace(
                line,
                quantity=-line.quantity,
                discount=-line.discount,
                gross=-line.gross,
                net=-net,
            )
    return tuple(made[position] for position in sorted(made))


def _bases_less(original: Content, after: Sequence[Line], before: Sequence[Content]) -> dict[Decimal, Decimal]:
    """By rate, the base of what is back so far less what earlier stornos hold; positive."""
    grosses = _by_rate(after)
    earlier = [tax for content in before for tax in content.taxes]
    return {
        tax.rate: amounts.base_of(grosses.get(tax.rate, ZERO), tax.rate)
        + sum((t.base for t in earlier if t.rate == tax.rate), ZERO)
        for tax in original.taxes
    }


def _taxes_less(original: Content, bases: Mapping[Decimal, Decimal], before: Sequence[Content]) -> tuple[Tax, ...]:
    """VAT of the sum of all stornos less that of the earlier ones, so that nothing of the original's VAT is left or too much."""
    taxes = []
    for tax in original.taxes:
        earlier = [each for content in before for each in content.taxes if each.rate == tax.rate]
        so_far = bases[tax.rate] - sum((each.base for each in earlier), ZERO)
        rest = -amounts.vat_of(so_far, tax.rate) - sum((each.vat for each in earlier), ZERO)
        if bases[tax.rate] or rest:
            taxes.append(Tax(rate=tax.rate, category=tax.category, base=-bases[tax.rate], vat=rest))
    return tuple(taxes)
