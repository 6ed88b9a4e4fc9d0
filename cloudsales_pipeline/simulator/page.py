"""The page for people at /: what this is, how much it holds, a grid of products with what is offered, the last orders.

What belongs here: HTML from the state, every value escaped. What does not: anything else.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from cloudsales_pipeline.simulator.shop import Offer
from cloudsales_pipeline.simulator.state import State

PRODUCTS_SHOWN = 24
ORDERS_SHOWN = 8
# Only our own images: a data file's pictures lie on other hosts, and opening this page must not call them.
POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'"
STYLE = """
body{margin:0;font:15px/1.45 system-ui,sans-serif;background:#f6f4f0;color:#26262b}
header{background:#26263a;color:#fff;padding:22px 32px}header h1{margin:0;font-size:24px}header p{margin:4px 0 0;color:#c9c8d6}
main{max-width:1180px;margin:0 auto;padding:20px 32px}ul.counts{display:flex;flex-wrap:wrap;gap:12px;padding:0;list-style:none}
.counts li{background:#fff;border-radius:10px;padding:10px 16px}.counts b{display:block;font-size:20px}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:18px}
article{background:#fff;border-radius:12px;overflow:hidden}article img,article .none{width:100%;aspect-ratio:3/4;object-fit:cover;
display:block;background:#e8e4dc}article div{padding:10px 12px}h2{margin:26px 0 10px;font-size:18px}h3{margin:0;font-size:14px}
small{color:#6b6a73}table{border-collapse:collapse;background:#fff;border-radius:10px}td,th{padding:6px 14px;text-align:left}
button{font:inherit;padding:8px 14px;border:0;border-radius:8px;background:#b5563a;color:#fff}
"""


def render(state: State) -> str:
    """The page, from what the state holds now."""
    counts = state.counts()
    shown = [product for product in map(_parsed, state.first_products(PRODUCTS_SHOWN)) if product]
    offers = state.offers(variant["id"] for product in shown for variant in _variants(product))
    cards = "".join(_card(product, offers, state) for product in shown)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>FashionUp, simulated</title><style>{STYLE}</style>"
        "<header><h1>FashionUp, simulated</h1><p>A marketplace on this machine for demo, tests and load. Its goods, "
        "brands and buyers are invented; the seller API is under /v1 and asks for a token.</p></header><main>"
        f"<ul class=counts>{''.join(_count(name, number) for name, number in counts.items())}</ul>"
        f"<h2>On sale (first {len(shown)})</h2><div class=grid>{cards}</div>"
        f"<h2>Last orders</h2>{_orders(state.last_orders(ORDERS_SHOWN))}"
        "<form method=post action=/_simulator/order><p><button>Place a random order</button></form></main></html>"
    )


def _count(name: str, number: int) -> str:
    return f"<li><b>{number:,}</b>{escape(name.replace('_', ' '))}</li>"


def _card(product: dict[str, Any], offers: dict[str, Offer], state: State) -> str:
    variants = _variants(product)
    pieces = sum(offers[variant["id"]].quantity for variant in variants if variant["id"] in offers)
    prices = [price for price in (variant.get("price") for variant in variants) if isinstance(price, dict)]
    money = f"{prices[0].get('amount', '')} {prices[0].get('currency', '')}" if prices else ""
    return (
        f"<article>{_picture(product, state.origin)}<div><h3>{escape(str(product.get('name', ''))[:120])}</h3>"
        f"<small>{escape(str(product.get('brand') or ''))} · {escape(str(product.get('code') or ''))}</small><br>"
        f"<b>{escape(money)}</b> <small>{pieces} offered in {len(variants)} variants</small></div></article>"
    )


def _picture(product: dict[str, Any], origin: str) -> str:
    images = product.get("images")
    url = images[0].get("url") if isinstance(images, list) and images and isinstance(images[0], dict) else None
    if not isinstance(url, str) or not url.startswith(f"{origin}/images/"):
        return "<div class=none></div>"
    return f'<img loading=lazy alt="" src="{escape(url.removeprefix(origin))}">'


def _orders(orders: list[dict[str, Any]]) -> str:
    if not orders:
        return "<p>None yet.</p>"
    rows = "".join(
        f"<tr><td>{escape(order['id'])}<td>{escape(str(order.get('status')))}<td>{len(order.get('lines') or [])} lines"
        f"<td>{escape(str((order.get('total') or {}).get('amount', '')))}<td>revision {order['revision']}</tr>"
        for order in reversed(orders)
    )
    return f"<table>{rows}</table>"


def _parsed(payload: bytes) -> dict[str, Any] | None:
    try:
        product = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return product if isinstance(product, dict) else None


def _variants(product: dict[str, Any]) -> list[dict[str, Any]]:
    variants = product.get("variants")
    if not isinstance(variants, list):
        return []
    return [variant for variant in variants if isinstance(variant, dict) and isinstance(variant.get("id"), str)]
