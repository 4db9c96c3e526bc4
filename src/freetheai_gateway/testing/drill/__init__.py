"""A drill: upstreams that fail in every way the contract names, and what a member sees of each."""
