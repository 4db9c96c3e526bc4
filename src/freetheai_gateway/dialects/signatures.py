"""Signatures of reasoning on their way through a dialect that is not their vendor's.

A vendor accepts only signatures of its own. So that one survives a client which speaks another dialect, it goes out
under a prefix that names its vendor, and is read back when the client sends its history: `fta1.<vendor>.<payload>`.
A signature without the prefix belongs to the vendor of the dialect that it came in.
"""

_PREFIX = "fta1."

TOOL_CALL = "call"
"""Stands in the vendor's place where the payload is the signature of the tool call that follows (Gemini)."""


def mint(vendor: str, payload: str) -> str:
    """Wrap a signature; `vendor` is a dialect's name (no dot in it), `payload` may be empty and hold anything."""
    return f"{_PREFIX}{vendor}.{payload}"


def read(signature: str) -> tuple[str, str] | None:
    """Give vendor and payload of a minted signature; `None` where it was not minted here."""
    if not signature.startswith(_PREFIX):
        return None
    vendor, dot, payload = signature.removeprefix(_PREFIX).partition(".")
    return (vendor, payload) if dot else None
