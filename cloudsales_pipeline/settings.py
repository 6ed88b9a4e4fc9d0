"""cloudsales.yaml as typed, frozen settings; secrets come from the environment alone.

What belongs here: the shape of the file, its defaults, and errors that name the line. What does not: anything that opens
a connection or reads a secret before it is needed.
"""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from cloudsales_pipeline.errors import SettingsError

CONFIG_VARIABLE = "CLOUDSALES_CONFIG"
DEFAULT_FILE = "cloudsales.yaml"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Share = Annotated[float, Field(ge=0, le=1)]
ExactShare = Annotated[Decimal, Field(ge=0, le=1, max_digits=10, decimal_places=6)]
Units = Annotated[int, Field(ge=0, le=1_000_000_000)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Section):
    """Where the tables live; without a URL the embedded PostgreSQL under `data_dir`."""

    url: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _names_its_driver(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith("postgresql+psycopg://"):
            raise ValueError("write it as postgresql+psycopg://user:password@host/database")
        return value


class LimitSettings(_Section):
    """What we allow ourselves on a channel, and the guards around an import."""

    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 600
    stock_updates_per_minute: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="How many listings' figures the channel takes a minute, where it limits that too."
    )
    hold_if_share_to_zero: Share = 0.3
    max_unreadable_share: Share = 0.2
    hold_if_listing_shrinks_by: Share = Field(
        default=0.3, description="A full listing that lost more than this share of its variants is not taken in."
    )


class StockRuleOverride(_Section):
    """Where a category or a SKU differs from its channel's rule; what is not named is the channel's."""

    warehouses: tuple[Name, ...] | None = None
    buffer: Units | None = None
    cap: Units | None = None
    share: ExactShare | None = None


class StockRuleSettings(_Section):
    """What the channel is shown of our stock: the available units of its warehouses, less the buffer, of that the share
    (rounded down), and at most the cap. A SKU's own rule counts before a category's, and that before the channel's.
    """

    warehouses: tuple[Name, ...] = ()
    buffer: Units = 0
    cap: Units | None = None
    share: ExactShare = Decimal(1)
    by_category: dict[str, StockRuleOverride] = Field(
        default={}, description="By a product's category, its subcategories included (`Rochii` covers `Rochii > Midi`)."
    )
    by_sku: dict[str, StockRuleOverride] = {}


class OrderSettings(_Section):
    """How the channel's orders are taken in."""

    warehouse: Name | None = Field(default=None, description="Where an order is reserved first.")
    poll_seconds: Annotated[int, Field(ge=1)] = 15
    policy: Literal["partial", "whole"] = Field(
        default="partial", description="What can't be served whole: reserve what there is, or (whole) nothing until all is there."
    )
    return_warehouse: Name | None = Field(default=None, description="Where goods that came back go; else `warehouse`.")
    placed_since: AwareDatetime | None = Field(
        default=None, description="Orders placed before are not taken in: those that another system has dealt with."
    )
    currencies: tuple[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], ...] = Field(
        default=("RON",), description="An order in another currency is taken in, and waits for a person."
    )
    expire_unpaid_after: dict[Literal["card", "cash_on_delivery", "bank_transfer"], timedelta] = Field(
        default={}, description="By payment method: an order that is not paid by then gives back what it holds."
    )
    acknowledge_within: timedelta = Field(
        default=timedelta(minutes=15), description="An order that its channel has not been told of for longer turns a check red."
    )


class ChannelSettings(_Section):
    """One place that sells."""

    kind: Name
    url: str | None = None
    token_env: str | None = None
    outbox: str | None = Field(default=None, description="kind store: the folder that its change sets are written to.")
    inbox: str | None = Field(default=None, description="The folder that the store's movements are read from.")
    outbox_acknowledged: bool = Field(
        default=True, description="kind store: whether the store answers each change set; else writing it is enough."
    )
    stock: StockRuleSettings = StockRuleSettings()
    orders: OrderSettings = OrderSettings()
    limits: LimitSettings = LimitSettings()
    lag_objective: timedelta | None = Field(
        default=None, description="Where the channel's own differs from stock.lag_objective: a till that answers once a minute."
    )
    unreached_after: timedelta | None = Field(
        default=None, description="Where the channel's own differs from stock.unreached_after: a till that is off at night."
    )
    page_size: Annotated[int, Field(ge=1, le=500)] = 500
    full_listing_every: timedelta = Field(
        default=timedelta(hours=24), description="Between full listings, only what changed is asked for."
    )

    def order_warehouses(self) -> tuple[str, ...]:
        """Where an order of the channel may reserve: its own warehouse first, then those whose stock it is shown."""
        own = [self.orders.warehouse] if self.orders.warehouse else []
        return tuple(dict.fromkeys([*own, *self.stock.warehouses]))

    def return_warehouse(self) -> str | None:
        """Where goods that came back go; None where nothing says."""
        return self.orders.return_warehouse or next(iter(self.order_warehouses()), None)

    def token(self) -> SecretStr | None:
        """The channel's token from the environment; None where the channel needs none.

        Raises:
            SettingsError: the variable that the file names is not set.
        """
        if self.token_env is None:
            return None
        value = os.environ.get(self.token_env)
        if not value:
            raise SettingsError(
                f"The environment variable {self.token_env}, which holds a channel's token, is not set.",
                next_step=f"export {self.token_env}=…",
            )
        return SecretStr(value)


class SuggestionSettings(_Section):
    """Whether probable duplicates are held for a person instead of being created."""

    hold_above: Share


class StockSettings(_Section):
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


class CatalogSettings(_Section):
    """What happens to a listing whose codes nobody knows."""

    on_no_match: Literal["create", "hold"] = "create"
    suggestions: SuggestionSettings | None = None


class WarehouseSettings(_Section):
    """A place that holds stock."""

    name: str = ""


class QualitySettings(_Section):
    """Bounds of the data-quality checks that guard the matching.

    A share may exceed the median of the channel's last imports by `margin` before the plan is stopped; a plan with fewer
    rows than `min_rows` is too small for shares to mean anything.
    """

    margin: Share = 0.1
    min_rows: Annotated[int, Field(ge=1)] = 50
    max_created_share_first: Share = 1.0


class Settings(_Section):
    """All of cloudsales.yaml."""

    database: DatabaseSettings = DatabaseSettings()
    data_dir: Path = Path(".cloudsales")
    timezone: str = "Europe/Bucharest"
    warehouses: dict[Name, WarehouseSettings] = {}
    channels: dict[Name, ChannelSettings] = {}
    stock: StockSettings = StockSettings()
    catalog: CatalogSettings = CatalogSettings()
    quality: QualitySettings = QualitySettings()
    # Sections of the file's contract whose stages are not built yet: accepted as they are, read by nothing.
    suppliers: dict[str, Any] = {}
    purchasing: dict[str, Any] = {}
    documents: dict[str, Any] = {}
    couriers: dict[str, Any] = {}
    messages: dict[str, Any] = {}

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


def settings_file() -> Path:
    """The file in force: CLOUDSALES_CONFIG, else cloudsales.yaml in the current folder."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE).absolute()


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the settings.

    `data_dir` comes back absolute: relative to the file's folder, so that every process finds the same data.

    Raises:
        SettingsError: no file, not YAML, or not our shape; names the file, the line and what is allowed there.
    """
    file = (path or settings_file()).absolute()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"There is no settings file {file.name} in {file.parent.name or '/'}/.",
            next_step=f"change to the folder that has it, or set {CONFIG_VARIABLE}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name} can't be read: {error}.") from None
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{file.name}{where}: not YAML ({getattr(error, 'problem', None) or 'unreadable'}).") from None
    if not isinstance(data, dict):
        raise SettingsError(f"{file.name}, line 1: sections such as `channels:` are expected.")
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(_explain(error, file, text), next_step="correct that line") from None
    return settings.model_copy(update={"data_dir": (file.parent / settings.data_dir).absolute()})


def _explain(error: ValidationError, file: Path, text: str) -> str:
    """The first fault with its line, in words; never the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = [part for part in first["loc"] if part != "[key]"]
    line = _line_of(text, path)
    name = ".".join(str(part) for part in path) or "the file"
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = f"unknown setting; known here: {', '.join(_known(path[:-1]))}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{file.name}, line {line}: {name}: {reason}{more}."


def _known(path: list[int | str]) -> list[str]:
    """The settings allowed under `path`."""
    model: type[BaseModel] = Settings
    sections: dict[str, type[BaseModel]] = {
        "database": DatabaseSettings,
        "catalog": CatalogSettings,
        "quality": QualitySettings,
        "channels": ChannelSettings,
        "warehouses": WarehouseSettings,
        "stock": StockRuleSettings,
        "orders": OrderSettings,
        "limits": LimitSettings,
        "suggestions": SuggestionSettings,
    }
    for depth, part in enumerate(path):
        if path[0] == "channels" and depth > 2 and path[depth - 1] in ("by_category", "by_sku"):
            model = StockRuleOverride
        elif depth == 0 and part == "stock":
            model = StockSettings
        else:
            model = sections.get(str(part), model)
    return list(model.model_fields)


def _line_of(text: str, path: list[int | str]) -> int:
    """The line (from 1) of the deepest node of `path` that the file has."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
