"""The composition root: settings become adapters, adapters become services, services become the server."""
