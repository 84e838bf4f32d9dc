"""Metrics for Prometheus, told from the store at the moment they are asked for: runs happen in other processes, on other machines, and go
on when this one is started anew."""

from syncd.metrics.exposition import CONTENT_TYPE, exposition

__all__ = ["CONTENT_TYPE", "exposition"]
