"""CloudSales pipeline: one retailer's catalogue, stock and orders, right in every place where it sells."""

__version__ = "0.1.0"
