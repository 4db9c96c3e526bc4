"""One module per revision, named `NNNN_what.py`; the numbers stand in `store.revisions` too."""
