"""The key desk: who may have a key, how it is asked for, and how it reaches its owner. Knows no wire format."""
