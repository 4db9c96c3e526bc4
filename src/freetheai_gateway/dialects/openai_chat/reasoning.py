"""Reasoning as compatible servers write it beside the documented fields, and the signatures it carries.

`reasoning_content` (DeepSeek, Qwen, vLLM, Kimi) and `reasoning` (OpenRouter, Groq, newer vLLM) are plain text.
`reasoning_details` (OpenRouter) is a list of `reasoning.text`, `reasoning.summary` and `reasoning.encrypted` entries;
only there can a signature stand, so that is how a signature of another vendor goes out to a client and comes back.
"""

from collections.abc import Iterable, Mapping

import msgspec

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.conversation import RedactedThinking, Thinking
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw

OWN = DialectName.OPENAI_CHAT.value
TEXT, SUMMARY, ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"
UNKNOWN_FORMAT = "unknown"

_FORMATS = {
    DialectName.ANTHROPIC_MESSAGES.value: "anthropic-claude-v1",
    DialectName.GEMINI.value: "google-gemini-v1",
    DialectName.OPENAI_RESPONSES.value: "openai-responses-v1",
}
_VENDORS = {name: vendor for vendor, name in _FORMATS.items()}


class Detail(msgspec.Struct, rename={"kind": "type"}):
    """One entry of `reasoning_details`; several entries of one `index` are pieces of one."""

    kind: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    index: int | None = None

    @property
    def words(self) -> str:
        """What can be read of it."""
        return (self.summary if self.kind == SUMMARY else self.text) or ""


class _Google(msgspec.Struct):
    thought_signature: str | None = None


class _Extra(msgspec.Struct):
    google: _Google = msgspec.field(default_factory=_Google)


_decode_extra: Decoder[_Extra] = Decoder(_Extra)
_decode_entries: Decoder[list[Raw]] = Decoder(list[Raw])
_decode_detail: Decoder[Detail] = Decoder(Detail)


def read_details(value: Raw) -> list[Detail]:
    """Read `reasoning_details`; entries of an unknown shape are passed over."""
    details = []
    try:
        entries = _decode_entries(value)
    except InvalidJSON:
        return []
    for entry in entries:
        try:
            details.append(_decode_detail(entry))
        except InvalidJSON:
            continue  # an entry of tomorrow: other entries still count
    return details


def thought_signature(extra_content: Raw | None) -> str | None:
    """Read `google.thought_signature` of a call's `extra_content`, where Gemini's compatible endpoint puts it."""
    if not extra_content:
        return None
    try:
        return _decode_extra(extra_content).google.thought_signature
    except InvalidJSON:
        return None


def write_thought(signature: str) -> Mapping[str, object]:
    """Write `extra_content` with a thought signature."""
    return {"google": {"thought_signature": signature}}


def format_of(vendor: str) -> str:
    """Name the format of a vendor's signatures, as OpenRouter does."""
    return _FORMATS.get(vendor, UNKNOWN_FORMAT)


def vendor_of(secret: str, form: str | None) -> tuple[str, str]:
    """Tell whose a signature or encrypted block in a client's history is; gives the vendor and what it gave."""
    return signatures.read(secret) or (_VENDORS.get(form or "", OWN), secret)


def keep_format(secret: str, form: str | None) -> str:
    """Join an upstream's signature and its format, so that both can go back to that upstream."""
    return f"{form or ''}:{secret}"


def split_format(kept: str) -> tuple[str, str]:
    """Give format and signature of what `keep_format` joined."""
    form, _, secret = kept.partition(":")
    return form, secret


def thinking_of_history(details: Iterable[Detail], plain: str) -> list[Thinking | RedactedThinking]:
    """Read the reasoning of an assistant message of a client; `plain` is the text of the fields without signatures."""
    parts: list[Thinking | RedactedThinking] = []
    for detail in merge(details):
        if detail.kind == ENCRYPTED:
            vendor, data = vendor_of(detail.data or "", detail.format)
            parts.append(RedactedThinking(data, vendor))
        elif detail.kind in {TEXT, SUMMARY}:
            vendor, signature = vendor_of(detail.signature, detail.format) if detail.signature else ("", None)
            parts.append(Thinking(detail.words, signature, vendor, summary=detail.kind == SUMMARY))
    if plain and not any(isinstance(part, Thinking) and part.text for part in parts):
        return _with_plain(parts, plain)
    return parts


def _with_plain(parts: list[Thinking | RedactedThinking], plain: str) -> list[Thinking | RedactedThinking]:
    for place, part in enumerate(parts):
        if isinstance(part, Thinking):
            parts[place] = Thinking(plain, part.signature, part.vendor, part.summary)
            return parts
    return [Thinking(plain), *parts]


def merge(details: Iterable[Detail]) -> list[Detail]:
    """Join the pieces of one entry, which clients that only collect the stream send back apart."""
    groups: list[list[Detail]] = []
    for detail in details:
        first = groups[-1][0] if groups else None
        if first is None or detail.index is None or (first.kind, first.index) != (detail.kind, detail.index):
            groups.append([detail])
        else:
            groups[-1].append(detail)
    return [_joined(group) for group in groups]


def _joined(pieces: list[Detail]) -> Detail:
    return Detail(
        kind=pieces[0].kind,
        text="".join(piece.text or "" for piece in pieces),
        summary="".join(piece.summary or "" for piece in pieces),
        data="".join(piece.data or "" for piece in pieces),
        signature="".join(piece.signature or "" for piece in pieces) or None,
        format=next((piece.format for piece in pieces if piece.format), None),
        index=pieces[0].index,
    )


def detail_of(part: Thinking | RedactedThinking, index: int, *, minted: bool) -> Mapping[str, object]:
    """Write an entry: `minted` for a client, else for the upstream whose signature it is."""
    if isinstance(part, RedactedThinking):
        form, data = _secret(part.data, part.vendor, minted=minted)
        return {"type": ENCRYPTED, "data": data, "format": form, "index": index}
    entry: dict[str, object] = {"type": SUMMARY if part.summary else TEXT, _words_field(part): part.text}
    if part.signature is not None:
        entry["format"], entry["signature"] = _secret(part.signature, part.vendor, minted=minted)
    return entry | {"index": index}


def _words_field(part: Thinking) -> str:
    return "summary" if part.summary else "text"


def _secret(kept: str, vendor: str, *, minted: bool) -> tuple[str, str]:
    if minted:
        return format_of(vendor), signatures.mint(vendor, kept)
    form, secret = split_format(kept)
    return form or UNKNOWN_FORMAT, secret
