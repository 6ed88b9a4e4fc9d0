"""cloudsales.yaml as typed, frozen settings; secrets come from the environment alone.

What belongs here: the shape of the file, its defaults, and errors that name the line; a module for each stage's section.
What does not: anything that opens a connection or reads a secret before it is needed.
"""

from cloudsales_pipeline.settings.channels import (
    ChannelSettings,
    LimitSettings,
    OrderSettings,
    StockRuleOverride,
    StockRuleSettings,
)
from cloudsales_pipeline.settings.company import CompanySettings
from cloudsales_pipeline.settings.documents import (
    CourierSettings,
    DocumentRule,
    DocumentSettings,
    SeriesSettings,
)
from cloudsales_pipeline.settings.messages import MessageRule, MessageSettings
from cloudsales_pipeline.settings.model import (
    CatalogSettings,
    DatabaseSettings,
    QualitySettings,
    Settings,
    StockSettings,
    SuggestionSettings,
    WarehouseSettings,
)
from cloudsales_pipeline.settings.operators import FindingKind, OperatorSettings
from cloudsales_pipeline.settings.purchasing import PurchasingSettings, ReplenishmentSettings, SupplierSettings
from cloudsales_pipeline.settings.reading import CONFIG_VARIABLE, DEFAULT_FILE, load_settings, settings_file

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "CatalogSettings",
    "ChannelSettings",
    "CompanySettings",
    "CourierSettings",
    "DatabaseSettings",
    "DocumentRule",
    "DocumentSettings",
    "FindingKind",
    "LimitSettings",
    "MessageRule",
    "MessageSettings",
    "OperatorSettings",
    "OrderSettings",
    "PurchasingSettings",
    "QualitySettings",
    "ReplenishmentSettings",
    "SeriesSettings",
    "Settings",
    "StockRuleOverride",
    "StockRuleSettings",
    "StockSettings",
    "SuggestionSettings",
    "SupplierSettings",
    "WarehouseSettings",
    "load_settings",
    "settings_file",
]
