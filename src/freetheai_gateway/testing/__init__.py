"""Fakes that ship with the package: scripted upstreams and a clock that a test sets."""
