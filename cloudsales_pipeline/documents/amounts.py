"""Amounts of an invoice whose prices are with VAT: VAT once per rate, and cents that add up exactly.

What belongs here: arithmetic on Decimals. What does not: orders and parties (`building`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")


def half_up(amount: Decimal) -> Decimal:
    """To cents, halves away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def base_of(gross: Decimal, rate: Decimal) -> Decimal:
    """What is left of an amount with VAT when VAT of `rate` per cent is taken out of it."""
    return half_up(gross * 100 / (100 + rate))


def vat_of(base: Decimal, rate: Decimal) -> Decimal:
    """EN 16931, BR-CO-17: base × rate, to cents."""
    return half_up(base * rate / 100)


def spread(total: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Parts in proportion to the weights, in cents, whose sum is the total exactly.

    Each is its share rounded down; the cents left go to those that lost most, the first of equals. Weights that sum to zero: all
    goes to the first.
    """
    if not weights:
        return []
    whole = sum(weights, ZERO)
    if not whole:
        return [total, *[ZERO] * (len(weights) - 1)]
    shares = [total * weight / whole for weight in weights]
    parts = [share.quantize(CENT, ROUND_FLOOR) for share in shares]
    left = int((total - sum(parts, ZERO)) / CENT)
    by_loss = sorted(range(len(parts)), key=lambda place: parts[place] - shares[place])
    for place in by_loss[:left]:
        parts[place] += CENT
    return parts


def nets_of(lines: Sequence[tuple[Decimal, Decimal]]) -> list[Decimal]:
    """The amount without VAT of each line, given (rate, gross). Per rate they sum to the base of the rate exactly."""
    nets = [ZERO] * len(lines)
    for rate in {rate for rate, _ in lines}:
        places = [place for place, line in enumerate(lines) if line[0] == rate]
        grosses = [lines[place][1] for place in places]
        for place, net in zip(places, spread(base_of(sum(grosses, ZERO), rate), grosses), strict=True):
            nets[place] = net
    return nets


def spread_by_rate(total: Decimal, values: Mapping[Decimal, Decimal]) -> dict[Decimal, Decimal]:
    """An order's discount over its rates, in proportion to what stands at each; zero parts are left out."""
    rates = sorted(rate for rate, value in values.items() if value > 0)
    parts = spread(total, [values[rate] for rate in rates])
    return {rate: part for rate, part in zip(rates, parts, strict=True) if part}
