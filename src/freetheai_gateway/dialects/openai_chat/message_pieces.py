"""What one message or delta of an upstream says, in the order in which it is to be read."""

from collections.abc import Iterator

from freetheai_gateway.dialects.openai_chat.reasoning import (
    ENCRYPTED,
    Detail,
    keep_format,
    read_details,
    thought_signature,
)
from freetheai_gateway.dialects.openai_chat.reasoning import SUMMARY as SUMMARY_ENTRY
from freetheai_gateway.dialects.openai_chat.reply_wire import (
    CallWire,
    FunctionWire,
    MessageWire,
    arguments_of,
    decode_calls,
    decode_function,
    text_of,
)
from freetheai_gateway.dialects.openai_chat.tool_slots import Piece
from freetheai_gateway.dialects.openai_chat.wire import ABSENT
from freetheai_gateway.domain.conversation import ToolKind

TEXT, REFUSAL, THINKING, SUMMARY, SIGNATURE, REDACTED = (
    "text",
    "refusal",
    "thinking",
    "summary",
    "signature",
    "redacted",
)

Said = tuple[str, str]
"""One of the kinds above and its text."""


def said_in(message: MessageWire) -> Iterator[Said]:
    """Give reasoning, content and refusal."""
    if message.reasoning_details is not ABSENT or message.reasoning_content or message.reasoning:
        yield from _reasoning(message)
    if isinstance(message.content, str):
        yield TEXT, message.content
    elif isinstance(message.content, list):
        for part in message.content:
            if isinstance(part, dict):
                yield from _part(part)
    if message.refusal is not None:
        yield REFUSAL, text_of(message.refusal)


def _reasoning(message: MessageWire) -> Iterator[Said]:
    """Give the reasoning once: servers that know several of its fields send the same text in each."""
    details = read_details(message.reasoning_details) if bytes(message.reasoning_details).startswith(b"[") else []
    if not any(detail.words for detail in details):
        yield THINKING, text_of(message.reasoning_content) or text_of(message.reasoning)
    for detail in details:
        yield from _detail(detail)


def _detail(detail: Detail) -> Iterator[Said]:
    if detail.kind == ENCRYPTED:
        if detail.data:
            yield REDACTED, keep_format(detail.data, detail.format)
        return
    yield SUMMARY if detail.kind == SUMMARY_ENTRY else THINKING, detail.words
    if detail.signature:
        yield SIGNATURE, keep_format(detail.signature, detail.format)


def _part(part: dict[object, object]) -> Iterator[Said]:
    """Give a content part; Mistral writes reasoning as one."""
    match part.get("type"):
        case "thinking":
            inner = part.get("thinking")
            pieces = inner if isinstance(inner, list) else [{"text": inner}]
            yield THINKING, "".join(text_of(piece.get("text")) for piece in pieces if isinstance(piece, dict))
        case "refusal":
            yield REFUSAL, text_of(part.get("refusal"))
        case _:
            yield TEXT, text_of(part.get("text"))


def pieces_of(message: MessageWire) -> list[Piece]:
    """Give the pieces of tool calls; the legacy `function_call` is a call without id and index."""
    pieces = [_piece(call) for call in decode_calls(message.tool_calls)]
    legacy = decode_function(message.function_call)
    if legacy is not None:
        pieces.append(Piece(None, "", text_of(legacy.name), arguments_of(legacy.arguments)))
    return pieces


def _piece(call: CallWire) -> Piece:
    is_custom = call.custom is not None and call.function is None
    body = (call.custom if is_custom else call.function) or FunctionWire()
    index = call.index if isinstance(call.index, int) and not isinstance(call.index, bool) else None
    return Piece(
        index,
        text_of(call.id),
        text_of(body.name),
        arguments_of(body.input if is_custom else body.arguments),
        ToolKind.CUSTOM if is_custom else ToolKind.FUNCTION,
        thought_signature(call.extra_content),
    )
