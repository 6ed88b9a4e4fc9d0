"""Benchmarks: ratios against yardsticks of the same run. `make bench`, or `python -m benchmarks [NAME…] [--quick] [--full]`.

What belongs here: what is measured, against what, and the targets. What does not: anything the product needs.
"""
