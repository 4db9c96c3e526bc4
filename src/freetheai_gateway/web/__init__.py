"""The HTTP edge and the routes."""
