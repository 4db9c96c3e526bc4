"""Several processes on one port: a parent that watches them, and what they tell each other."""
