"""The embedded local model: llama.cpp in a child process of its own, found, installed, started and kept alive.

`xllamacpp` holds the interpreter lock while it loads and while it stops, so it is never imported by the gateway.
This file stays empty of imports: the child imports it too, and starts sooner for it.
"""
