"""A self-hosted AI gateway for communities."""

__version__ = "0.1.0"
