"""Discord's REST API, version 10: what the key desk calls."""
