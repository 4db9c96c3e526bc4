"""Use cases over ports: what the gateway does, without knowing how bytes arrive or where they are kept."""
