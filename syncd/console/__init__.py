"""The web console and its API: a process of its own that only reads the store and writes down what people ask for.

What they ask for is done by the daemon (`store/orders.py`). So a page never waits for a run and no run for a page, a fault here stops no
sync, and any number of consoles may run.
"""
