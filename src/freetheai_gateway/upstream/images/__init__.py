"""Providers of pictures, one module each."""
