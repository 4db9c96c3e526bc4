"""Counters behind the `Limiter` port."""
