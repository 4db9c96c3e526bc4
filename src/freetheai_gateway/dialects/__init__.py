"""Wire formats, sans-IO: one folder per dialect."""
