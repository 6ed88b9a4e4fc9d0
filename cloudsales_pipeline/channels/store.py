"""A physical store as a channel: it is told of stock by numbered files in a folder, and answers with files beside them.

What belongs here: pushing, asking for answers and reading back in the port's words, and the numbering of change sets. What does
not: how the files look inside (`store_files`), and how a folder is reached (`folders`). docs/operating.md tells a till's
programmer all of it. A store's own sales come in as files of movements (`stock.files`), not as orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cloudsales_pipeline.channels import store_files
from cloudsales_pipeline.channels.errors import ChannelError, ChannelResponseError, FileMissingError, PayloadError
from cloudsales_pipeline.channels.folders import Folder, open_folder
from cloudsales_pipeline.channels.port import (
    Acknowledgement,
    AcknowledgeOutcome,
    Capabilities,
    CategoryPage,
    ChannelOrder,
    ListedProduct,
    OfferedStock,
    OrderDocument,
    OrderHead,
    OrderPage,
    OrderStatus,
    Paging,
    ProductPage,
    StockOutcome,
    StockResult,
    StockUpdate,
)
from cloudsales_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from cloudsales_pipeline.channels.transport import Transport
    from cloudsales_pipeline.settings import ChannelSettings

CAPABILITIES = Capabilities(
    paging=Paging.CURSOR,
    page_size=500,
    own_listing=False,
    catalogue_delta=False,
    stock_batch=5_000,
    stock_versions=True,
    stock_asynchronous=True,
    acknowledgement=Acknowledgement.NONE,
)
DOCUMENTS = "documents"  # of orders, a PDF each
DONE = "done"  # where a store may move what it has applied
SENT = ".sent"  # ours: a file for each number that was given away, with the change set in it while its answer is awaited
KEPT = 1_000  # of the latest numbers
MOST_BYTES = 16_000_000  # of a file that the store writes
SETTLES = timedelta(seconds=2)  # a file that the store may still be writing
REPORT_HOLDS = timedelta(days=1)


class Store:
    """A physical store; see `SalesChannel` for what each method promises."""

    def __init__(
        self, name: str, folder: Folder, *, acknowledged: bool, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._name = name
        self._folder = folder
        self._done = folder.subfolder(DONE)
        self._sent = folder.subfolder(SENT)
        self._acknowledged = acknowledged
        self._clock = clock

    @property
    def name(self) -> str:
        """The channel's name in the settings."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What a store can do."""
        return replace(CAPABILITIES, stock_asynchronous=self._acknowledged)

    def close(self) -> None:
        """Let go of the folder's connection."""
        self._folder.close()

    # ------------------------------------------------------------ stock

    def push_stock(self, updates: Sequence[StockUpdate]) -> tuple[StockResult, ...]:
        """Write one change set; its number is the ticket. May be repeated: that is another file with the same versions.

        A SKU that a spreadsheet would run as a formula is rejected and not written (I-48); all others arrive as they are.

        Raises:
            ValueError: more than 5,000 updates, a SKU twice, or a negative number.
            ChannelError: the folder can't be written; no file of it is seen then.
        """
        _check(updates)
        refused = {update.variant_id: why for update in updates if (why := store_files.refusal(update.variant_id))}
        sending = [update for update in updates if update.variant_id not in refused]
        ticket = str(self._write(sending)) if sending else None
        outcome = StockOutcome.PENDING if self._acknowledged else StockOutcome.SET
        return tuple(
            StockResult(sku, StockOutcome.REJECTED, refused[sku])
            if (sku := update.variant_id) in refused
            else StockResult(sku, outcome, ticket=ticket if self._acknowledged else None)
            for update in updates
        )

    def stock_result(self, ticket: str) -> tuple[StockResult, ...]:
        """The store's answer to a change set, an item each; empty while there is none. Asking again gives the same.

        Raises:
            ValueError: not a ticket of ours.
            ChannelResponseError: the answer can't be read, and in which line; once it is corrected it is.
        """
        if not (ticket.isascii() and ticket.isdigit()):
            raise ValueError("a ticket is a change set's number")
        number = int(ticket)
        name = store_files.answer_name(number)
        answer = self._settled(name, (self._folder, self._done), complete=store_files.is_complete)
        if answer is None:
            return ()
        skus = self._skus(number)
        try:
            told = store_files.read_answer(answer, skus)
        except store_files.UnreadableError as error:
            raise self._unreadable(name, error, "stock_result") from None
        return tuple(told.get(sku) or StockResult(sku, StockOutcome.SET) for sku in skus)

    def read_stock(self, variant_ids: Sequence[str]) -> tuple[OfferedStock, ...]:
        """What the store last reported that it shows, in `shown.csv`; empty where it reported nothing within a day.

        Our own change sets are not taken for it: they say what was sent, not what is shown.

        Raises:
            ChannelResponseError: the report can't be read, and in which line.
        """
        entry = self._folder.entry(store_files.REPORT)
        if entry is None or self._clock() - entry.modified_at > REPORT_HOLDS:
            return ()
        report = self._settled(store_files.REPORT, (self._folder,))
        if report is None:
            return ()
        try:
            shown = store_files.read_report(report)
        except store_files.UnreadableError as error:
            raise self._unreadable(store_files.REPORT, error, "read_stock") from None
        return tuple(shown[sku] for sku in variant_ids if sku in shown)

    def _write(self, updates: Sequence[StockUpdate]) -> int:
        """One change set, complete when it appears. A number is used up before its file is seen, so none comes twice."""
        number = self._next_number()
        content = store_files.change_set(updates, number, self._clock())
        name = store_files.change_set_name(number)
        if self._acknowledged:
            self._sent.write_complete(name, content)  # the answer is read by it: the store may delete the file itself
        self._folder.write_complete(name, content)
        if number > KEPT:
            self._sent.remove(store_files.change_set_name(number - KEPT))
        return number

    def _next_number(self) -> int:
        """A number that nobody else has or gets: the file of that name among the sent ones is made by one alone."""
        known = _numbers_if_there(self._sent)
        if not known:  # the first one, or somebody tidied up
            known = [*_numbers(self._folder), *_numbers_if_there(self._done)]
            self._sent.make()
        number = max(known, default=0) + 1
        name = store_files.change_set_name(number)
        while not self._sent.claim(name) or self._folder.exists(name):
            number += 1
            name = store_files.change_set_name(number)
        return number

    def _settled(
        self, name: str, folders: Sequence[Folder], *, complete: Callable[[bytes], bool] = lambda _: False
    ) -> bytes | None:
        """A file of the store's, from the first folder that has it; None while there is none, or it may still be written."""
        for folder in folders:
            entry = folder.entry(name)
            if entry is None:
                continue
            try:
                content = folder.read_bytes(name, MOST_BYTES)
            except FileMissingError:
                continue  # the store is moving it just now
            settled = abs(self._clock() - entry.modified_at) >= SETTLES and len(content) == entry.size
            return content if settled or complete(content) else None
        return None

    def _skus(self, number: int) -> list[str]:
        """What a change set was about, in its order."""
        name = store_files.change_set_name(number)
        for folder in (self._sent, self._folder, self._done):
            try:
                content = folder.read_bytes(name, MOST_BYTES)
            except FileMissingError:
                continue
            if content:  # an empty one only holds the number
                return store_files.read_skus(content)
        raise ChannelResponseError(
            f"{name} is answered, but is in none of its folders any more",
            channel=self._name,
            operation="stock_result",
            next_step="leave change sets where they are, or move them to done/; what is due is sent again",
        )

    def _unreadable(self, name: str, error: store_files.UnreadableError, operation: str) -> ChannelResponseError:
        step = f"correct that line of {name}; the format is in docs/operating.md"
        return ChannelResponseError(f"{name}, {error}", channel=self._name, operation=operation, next_step=step)

    # ------------------------------------------------------------ what a store has not

    def categories(self, cursor: str | None = None) -> CategoryPage:
        """None: a store has no listing of its own."""
        return CategoryPage((), None)

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        """None: a store has no listing of its own."""
        return ProductPage((), None, 0)

    def product_id(self, payload: bytes) -> str:
        """A store lists no products, so nothing is one of its."""
        raise PayloadError("unreadable", "a store lists no products")

    def parse_product(self, payload: bytes) -> ListedProduct:
        """A store lists no products, so nothing is one of its."""
        raise PayloadError("unreadable", "a store lists no products")

    def orders(self, cursor: str | None = None, updated_since: datetime | None = None) -> OrderPage:
        """None: what a store sells comes as movements."""
        return OrderPage((), None)

    def order_head(self, payload: bytes) -> OrderHead:
        """A store has no orders, so nothing is one of its."""
        raise PayloadError("unreadable", "a store has no orders")

    def parse_order(self, payload: bytes) -> ChannelOrder:
        """A store has no orders, so nothing is one of its."""
        raise PayloadError("unreadable", "a store has no orders")

    def acknowledge(self, order_id: str) -> AcknowledgeOutcome:
        """A store knows no orders."""
        return AcknowledgeOutcome.UNKNOWN_ORDER

    def advance(self, order_id: str, status: OrderStatus, reason: str | None = None) -> None:
        """A store has no orders.

        Raises:
            ChannelError: always.
        """
        raise self._no_orders("advance")

    def attach_document(self, order_id: str, document: OrderDocument) -> bool:
        """Put a document's file into the store's folder `documents`, complete when it appears; False where it is there already.

        Raises:
            ValueError: a document without a file; order, kind or number that no file can be named by.
            ChannelError: the folder can't be written.
        """
        if document.content is None:
            raise ValueError("a store is given documents as files")
        name = store_files.document_name(order_id, document.kind, document.number)
        folder = self._folder.subfolder(DOCUMENTS)
        folder.make()
        if folder.exists(name):
            return False
        folder.write_complete(name, document.content)
        return True

    def _no_orders(self, operation: str) -> ChannelError:
        step = "its sales come as files of movements, into its inbox"
        return ChannelError("a physical store has no orders here", channel=self._name, operation=operation, next_step=step)


def open_channel(name: str, settings: ChannelSettings, connect: Callable[[], Transport]) -> Store:
    """The adapter on the store's outbox; what `registry.KINDS` names. Nothing is connected or written yet.

    Raises:
        SettingsError: no outbox, not a usable address, or the password's variable is not set.
    """
    if settings.outbox is None:
        raise SettingsError(
            f"channels.{name}.outbox is missing.", next_step="write the folder there that the store reads its stock from"
        )
    token = settings.token()
    folder = open_folder(settings.outbox, channel=name, password=token.get_secret_value() if token else None)
    return Store(name, folder, acknowledged=settings.outbox_acknowledged)


def capabilities(settings: ChannelSettings) -> Capabilities:
    """What a store with these settings can do."""
    return replace(CAPABILITIES, stock_asynchronous=settings.outbox_acknowledged)


def _numbers(folder: Folder) -> list[int]:
    return [number for entry in folder.entries() if (number := store_files.number_of(entry.name)) is not None]


def _numbers_if_there(folder: Folder) -> list[int]:
    try:
        return _numbers(folder)
    except FileMissingError:
        return []


def _check(updates: Sequence[StockUpdate]) -> None:
    if len(updates) > CAPABILITIES.stock_batch:
        raise ValueError(f"at most {CAPABILITIES.stock_batch:,} updates at once, not {len(updates):,}")
    if len({update.variant_id for update in updates}) < len(updates):
        raise ValueError("a SKU is in the push twice")
    if any(update.quantity < 0 or update.version < 0 for update in updates):
        raise ValueError("a quantity or a version is negative")
