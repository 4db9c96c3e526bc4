"""Upstream providers: the relay client, how each provider is spoken to, and the local model."""
