"""Counters behind the ports `Limiter` and `RefusalCounter`."""
