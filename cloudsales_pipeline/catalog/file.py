"""Read the retailer's own file, CSV or XLSX, as rows of text.

Everything is text from the first byte to the last: a SKU 00123 stays 00123. What does not belong here: what the rows mean,
and the database.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudsales_pipeline.errors import InputError

LONGEST_FIELD = 10_000_000  # characters; a description may be long, a runaway quote must not eat the memory

# Column names as retailers write them, by ours.
ALIASES = {
    "cod": "sku", "cod_produs": "sku", "cod_articol": "sku", "code": "sku", "product_code": "sku",
    "gtin": "ean", "barcode": "ean", "cod_bare": "ean", "cod_de_bare": "ean", "ean13": "ean",
    "additional_code": "additional_codes", "coduri_aditionale": "additional_codes", "cod_aditional": "additional_codes",
    "denumire": "name", "nume": "name", "title": "name",
    "marca": "brand", "producator": "brand",
    "descriere": "description",
    "pret": "price",
    "moneda": "currency",
    "categorie": "category",
    "furnizor": "supplier",
    "stil": "style", "model": "style",
    "marime": "size",
    "culoare": "colour", "color": "colour",
}  # fmt: skip


@dataclass(frozen=True)
class FileRow:
    """A row of the file: its number as a person counts (the header is row 1), and its fields by our column names.

    `fault` is a reason code where the row can't be trusted; its fields are then as far as they go.
    """

    number: int
    fields: dict[str, str]
    fault: str | None = None


def content_hash(path: Path) -> bytes:
    """BLAKE2b-128 of a file's bytes: the same content under another name is the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()


def column_name(header: str) -> str:
    """A header as a name: lower case, no accents, underscores."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", header) if not unicodedata.combining(c) and c != "\ufeff")
    return re.sub(r"[^a-z0-9]+", "_", plain.strip().casefold()).strip("_")


def read_rows(
    path: Path, *, required: Sequence[str], encoding: str | None = None, aliases: Mapping[str, str] = ALIASES
) -> Iterator[FileRow]:
    """The file's rows, one by one.

    Args:
        path: a .csv, .txt, .tsv or .xlsx file.
        required: columns that must be there (our names).
        encoding: of a CSV; by default UTF-8, or UTF-16 where the file starts with its mark.
        aliases: other words for our columns.

    Raises:
        InputError: no such file, not readable as said, no header, or a required column is missing.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path.name}.", next_step="check the path")
    spreadsheet = path.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
    table = _spreadsheet(path) if spreadsheet else _csv(path, encoding)
    numbered = enumerate(table, start=1)
    number = 1
    try:
        columns = _header(path, next(numbered, (1, []))[1], required, aliases)
        for number, values in numbered:
            if any(value.strip() for value in values):
                yield _row(number, columns, values)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not {error.encoding}, from row {number} or just after it.",
            next_step="save it as UTF-8, or name its encoding: --encoding cp1250",
        ) from None
    except UnicodeError:
        raise InputError(f"{path.name} is not {encoding or 'UTF-8'}, from row {number} or just after it.") from None
    except csv.Error as error:
        raise InputError(f"{path.name} can't be read as CSV after row {number}: {error}.") from None


def _header(path: Path, values: Sequence[str], required: Sequence[str], aliases: Mapping[str, str]) -> list[str]:
    columns = [column_name(value) for value in values]
    # another word for one of our columns counts where the file does not have ours
    columns = [_ours(name, columns, required, aliases) for name in columns]
    if not any(columns):
        raise InputError(f"{path.name} has no header row.", next_step=f"put the column names first: {', '.join(required)}, …")
    missing = [name for name in required if name not in columns]
    if missing:
        raise InputError(
            f"{path.name} has no column {' or '.join(missing)}; it has: {', '.join(c for c in columns if c)[:300]}.",
            next_step="rename the column in the file",
        )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"{path.name} has the column {twice[0]} twice.", next_step="keep one of them")
    return columns


def _ours(name: str, columns: list[str], required: Sequence[str], aliases: Mapping[str, str]) -> str:
    alias = aliases.get(name, name)
    return name if name in required or alias in columns else alias


def _row(number: int, columns: list[str], values: Sequence[str]) -> FileRow:
    fault = None
    if len(values) > len(columns) and any(value.strip() for value in values[len(columns) :]):
        fault = "too_many_fields"
    elif len(values) < len(columns):
        fault = "too_few_fields"
    fields = {name: value for name, value in zip(columns, values, strict=False) if name}
    if any("\x00" in value for value in fields.values()):
        fault = fault or "nul_character"
    return FileRow(number, fields, fault)


def _csv(path: Path, encoding: str | None) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_FIELD)
    chosen = encoding or _marked_encoding(path)
    try:
        text_encoding = codecs.lookup(chosen)._is_text_encoding
    except LookupError:
        text_encoding = False
    if not text_encoding:
        raise InputError(f"There is no text encoding {chosen!r}.", next_step="--encoding cp1250, for example")
    with path.open(encoding=chosen, newline="") as file:
        head = file.readline()
        file.seek(0)
        # strict: a quote that is never closed would otherwise swallow the rest of the file into one field
        yield from csv.reader(file, delimiter=_delimiter(head), strict=True)


def _marked_encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _delimiter(header: str) -> str:
    """What the header is divided by; a single column has none, and any will do."""
    return max(",;\t|", key=header.count)


def _spreadsheet(path: Path) -> Iterator[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(str(path))
        sheet = workbook.get_sheet_by_index(0)
    except (CalamineError, OSError, ValueError) as error:
        raise InputError(f"{path.name} is not a spreadsheet that can be read ({type(error).__name__}).") from None
    for values in sheet.iter_rows():
        yield [_cell(value) for value in values]


def _cell(value: object) -> str:
    """A cell as text: a whole number without the .0 that spreadsheets store, an empty one as nothing."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)
