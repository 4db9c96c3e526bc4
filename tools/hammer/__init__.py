"""`make hammer`: limits and records under load and `kill -9`, judged by the client's own log."""
