"""Meaning and decisions: values and rules without socket, clock or await."""
