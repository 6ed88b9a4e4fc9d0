"""`channels:` in cloudsales.yaml: one place that sells, its stock rule, its orders and its limits."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, SecretStr

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.documents import ChannelDocumentSettings
from cloudsales_pipeline.settings.sections import ExactShare, Name, Section, Share, Units


class LimitSettings(Section):
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


class StockRuleOverride(Section):
    """Where a category or a SKU differs from its channel's rule; what is not named is the channel's."""

    warehouses: tuple[Name, ...] | None = None
    buffer: Units | None = None
    cap: Units | None = None
    share: ExactShare | None = None


class StockRuleSettings(Section):
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


class OrderSettings(Section):
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
    add_shortages: bool | None = Field(
        default=None,
        description="Whether its lines without stock are to be bought; none: as purchasing.add_shortages says.",
    )
    acknowledge_within: timedelta = Field(
        default=timedelta(minutes=15), description="An order that its channel has not been told of for longer turns a check red."
    )


class ChannelSettings(Section):
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
    documents: ChannelDocumentSettings = ChannelDocumentSettings()
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
