"""The HTML of a mail whose template has none of its own: its text, in paragraphs, with links.

What belongs here: text into HTML. What does not: the text.
"""

from __future__ import annotations

import re
from html import escape

_LINK = re.compile(r"https?://[^\s<>\"]+")
_PAGE = (
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head>'
    '<body style="margin:0;background:#f4f4f5">'
    '<div style="max-width:600px;margin:0 auto;padding:24px;background:#ffffff;color:#18181b;'
    'font:16px/1.5 Arial,Helvetica,sans-serif">{body}</div></body></html>'
)


def page_of(text: str, title: str, language: str) -> str:
    """A page: a paragraph for each block of text, a list for lines that begin with `- `."""
    blocks = [_block(block) for block in re.split(r"\n\s*\n", text.strip()) if block.strip()]
    return _PAGE.format(language=language, title=escape(title), body="".join(blocks))


def _block(block: str) -> str:
    parts: list[str] = []
    for line in block.splitlines():
        if line.startswith("- "):
            item = f'<li style="margin:0 0 4px">{_linked(line[2:])}</li>'
            if parts and parts[-1].endswith("</ul>"):
                parts[-1] = parts[-1].removesuffix("</ul>") + item + "</ul>"
            else:
                parts.append(f'<ul style="margin:0;padding-left:20px">{item}</ul>')
        else:
            parts.append(_linked(line))
    inner = re.sub(r"(</ul>)<br>|<br>(<ul)", r"\1\2", "<br>".join(parts))
    return f'<div style="margin:0 0 16px">{inner}</div>'


def _linked(line: str) -> str:
    made, at = [], 0
    for found in _LINK.finditer(line):
        link = found[0].rstrip(".,;:)")
        made.append(escape(line[at : found.start()]))
        made.append(f'<a href="{escape(link)}">{escape(link)}</a>')
        at = found.start() + len(link)
    return "".join([*made, escape(line[at:])])
