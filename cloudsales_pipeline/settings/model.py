"""The whole of cloudsales.yaml as one frozen object."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.channels import ChannelSettings
from cloudsales_pipeline.settings.company import CompanySettings
from cloudsales_pipeline.settings.documents import CourierSettings, DocumentSettings
from cloudsales_pipeline.settings.messages import MessageSettings
from cloudsales_pipeline.settings.operators import OperatorSettings
from cloudsales_pipeline.settings.purchasing import PurchasingSettings, SupplierSettings
from cloudsales_pipeline.settings.sections import Name, Section, Share


class DatabaseSettings(Section):
    """Where the tables live; without a URL the embedded PostgreSQL under `data_dir`."""

    url: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _names_its_driver(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith("postgresql+psycopg://"):
            raise ValueError("write it as postgresql+psycopg://user:password@host/database")
        return value


class SuggestionSettings(Section):
    """Whether probable duplicates are held for a person instead of being created."""

    hold_above: Share


class StockSettings(Section):
    """What holds for stock and its publishing on all channels."""

    lag_objective: timedelta = Field(
        default=timedelta(seconds=5), description="99 of 100 changes of the last hour reach their channel within this time."
    )
    unreached_after: timedelta = Field(
        default=timedelta(minutes=15),
        description="A channel that has changes to take and took none for so long turns its check red.",
    )
    reconcile_listings: Annotated[int, Field(ge=1)] = Field(
        default=20_000, description="How many listings of a channel one reconciliation reads back; the next goes on from there."
    )
    settle_seconds: Annotated[float, Field(ge=0)] = Field(
        default=2.0, description="A dropped file is complete when its size has stayed the same for so long."
    )


class CatalogSettings(Section):
    """What happens to a listing whose codes nobody knows."""

    on_no_match: Literal["create", "hold"] = "create"
    suggestions: SuggestionSettings | None = None


class WarehouseSettings(Section):
    """A place that holds stock."""

    name: str = ""


class QualitySettings(Section):
    """Bounds of the data-quality checks that guard the matching.

    A share may exceed the median of the channel's last imports by `margin` before the plan is stopped; a plan with fewer
    rows than `min_rows` is too small for shares to mean anything.
    """

    margin: Share = 0.1
    min_rows: Annotated[int, Field(ge=1)] = 50
    max_created_share_first: Share = 1.0


class Settings(Section):
    """All of cloudsales.yaml."""

    database: DatabaseSettings = DatabaseSettings()
    data_dir: Path = Path(".cloudsales")
    timezone: str = "Europe/Bucharest"
    warehouses: dict[Name, WarehouseSettings] = {}
    channels: dict[Name, ChannelSettings] = {}
    stock: StockSettings = StockSettings()
    catalog: CatalogSettings = CatalogSettings()
    quality: QualitySettings = QualitySettings()
    company: CompanySettings = CompanySettings()
    suppliers: dict[Name, SupplierSettings] = {}
    purchasing: PurchasingSettings = PurchasingSettings()
    messages: MessageSettings = MessageSettings()
    documents: DocumentSettings = DocumentSettings()
    couriers: dict[Name, CourierSettings] = {}
    operators: OperatorSettings = OperatorSettings()

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError) as error:
            raise ValueError("not a time zone name such as Europe/Bucharest") from error
        return value

    @model_validator(mode="after")
    def _warehouses_exist(self) -> Settings:
        for name, channel in self.channels.items():
            rule = channel.stock
            overrides = [*rule.by_category.values(), *rule.by_sku.values()]
            named = [*rule.warehouses, *(name for other in overrides for name in other.warehouses or ())]
            named += [name for name in (channel.orders.warehouse, channel.orders.return_warehouse) if name]
            for warehouse in named:
                if warehouse not in self.warehouses:
                    known = ", ".join(self.warehouses) or "none"
                    raise ValueError(f"channel {name} names the warehouse {warehouse}; known are: {known}")
        return self

    @model_validator(mode="after")
    def _purchasing_fits(self) -> Settings:
        warehouse = self.purchasing.receiving_warehouse
        if warehouse is not None and warehouse not in self.warehouses:
            known = ", ".join(self.warehouses) or "none"
            raise ValueError(f"purchasing.receiving_warehouse names the warehouse {warehouse}; known are: {known}")
        self._deliveries_reach_orders()
        names: dict[str, str] = {}
        for key, supplier in self.suppliers.items():
            for name in {key.casefold(), supplier.name.strip().casefold()} - {""}:
                if names.setdefault(name, key) != key:
                    raise ValueError(
                        f"suppliers {names[name]} and {key} have the same name; the catalogue's file could mean both"
                    )
        return self

    def _deliveries_reach_orders(self) -> None:
        """Goods received where a channel's orders never reserve would serve none of them, and be bought again at each close."""
        receiving = self.purchasing.receiving_warehouse or next(iter(self.warehouses), None)
        if not self.suppliers or receiving is None:
            return
        for name, channel in self.channels.items():
            buys = self.purchasing.add_shortages if channel.orders.add_shortages is None else channel.orders.add_shortages
            places = channel.order_warehouses()
            if buys and channel.orders.warehouse and receiving not in places:
                raise ValueError(
                    f"goods are received in {receiving} (purchasing.receiving_warehouse), where orders of {name} reserve nothing"
                    f" ({', '.join(places)}); name a warehouse of theirs, or set channels.{name}.orders.add_shortages to false"
                )

    @model_validator(mode="after")
    def _couriers_exist(self) -> Settings:
        known = ", ".join(self.couriers) or "none"
        for place, rule in enumerate(self.documents.rules, start=1):
            if rule.courier is not None and rule.courier not in self.couriers:
                raise ValueError(f"documents.rules: rule {place} names the courier {rule.courier}; known are: {known}")
            if (rule.issue == "waybill") != (rule.courier is not None):
                raise ValueError(f"documents.rules: rule {place}: a waybill needs a courier, and nothing else has one")
        return self

    @model_validator(mode="after")
    def _messages_fit(self) -> Settings:
        known = ", ".join(self.channels) or "none"
        for place, rule in enumerate(self.messages.rules, start=1):
            if missing := [name for name in rule.channels if name not in self.channels]:
                raise ValueError(f"messages.rules: rule {place} names the channel {missing[0]}; known are: {known}")
        return self

    @model_validator(mode="after")
    def _inboxes_are_apart(self) -> Settings:
        """What is written to a till must not be read as its movements, nor one store's files as another's."""
        users: dict[str, str] = {}
        for name, channel in self.channels.items():
            for use, address in (("inbox", channel.inbox), ("outbox", channel.outbox)):
                folder = (address or "").removeprefix("file://").rstrip("/")
                other = users.get(folder)
                if other:
                    raise ValueError(f"the {use} of {name} is the {other}; give each a folder of its own")
                if folder:
                    users[folder] = f"{use} of {name}"
        return self

    def lag_objective(self, channel: str) -> timedelta:
        """Within which time 99 of 100 changes should reach this channel."""
        return self.channels[channel].lag_objective or self.stock.lag_objective

    def unreached_after(self, channel: str) -> timedelta:
        """How long this channel may leave changes untaken."""
        return self.channels[channel].unreached_after or self.stock.unreached_after

    def channel(self, name: str) -> ChannelSettings:
        """The settings of one channel.

        Raises:
            SettingsError: no such channel; the message lists those there are.
        """
        try:
            return self.channels[name]
        except KeyError:
            known = ", ".join(self.channels) or "none"
            raise SettingsError(
                f"There is no channel {name!r} in the settings; there are: {known}.",
                next_step="add it under `channels:` in cloudsales.yaml",
            ) from None
