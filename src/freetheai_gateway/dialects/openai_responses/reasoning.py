"""`encrypted_content` of reasoning items, and the signatures that it carries for other vendors.

This vendor's own content is bound to the id of its item ("encrypted content item_id did not match"), so that the
neutral signature holds both. What belongs to another vendor goes out minted (`dialects.signatures`), with a suffix
where it is reasoning that only the vendor can read.
"""

from dataclasses import dataclass

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.protocol import DialectName

OWN = DialectName.OPENAI_RESPONSES.value

_SEPARATOR = "|"
_REDACTED = "-redacted"


def pack(item_id: str | None, encrypted: str) -> str:
    """Make the neutral signature of this vendor's reasoning."""
    return f"{item_id or ''}{_SEPARATOR}{encrypted}"


def unpack(signature: str) -> tuple[str | None, str]:
    """Give item id and `encrypted_content` of a neutral signature of this vendor."""
    item_id, separator, encrypted = signature.partition(_SEPARATOR)
    return (item_id or None, encrypted) if separator else (None, signature)


def encrypted_for_client(vendor: str, signature: str) -> str:
    """Make the `encrypted_content` under which a client keeps a signature."""
    return unpack(signature)[1] if vendor == OWN else signatures.mint(vendor, signature)


def redacted_for_client(vendor: str, data: str) -> str:
    """Make the `encrypted_content` under which a client keeps reasoning that only its vendor can read."""
    return signatures.mint(vendor + _REDACTED, data)


def call_signature_for_client(signature: str) -> str:
    """Make the `encrypted_content` under which a client keeps the signature of the tool call that follows."""
    return signatures.mint(signatures.TOOL_CALL, signature)


@dataclass(frozen=True, slots=True)
class Minted:
    """What was kept in `encrypted_content` for another vendor."""

    vendor: str
    payload: str
    redacted: bool = False
    of_call: bool = False


def read_minted(encrypted: str) -> Minted | None:
    """Read what a client sends back; `None` where it is this vendor's own."""
    found = signatures.read(encrypted)
    if found is None:
        return None
    vendor, payload = found
    return Minted(
        vendor=vendor.removesuffix(_REDACTED),
        payload=payload,
        redacted=vendor.endswith(_REDACTED),
        of_call=vendor == signatures.TOOL_CALL,
    )
