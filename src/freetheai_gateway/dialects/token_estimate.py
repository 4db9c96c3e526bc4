"""How many input tokens a conversation comes to, estimated without a tokenizer.

Every vendor cuts text differently, so no exact count is possible here; the aim is within 15 % for typical text.
Text is counted by classes of characters: letters, digits and punctuation weigh what they weigh in published averages
(English prose about 4 bytes a token, code and JSON about 3), blanks nothing, because they join the word behind
them; punctuation in a row, as in JSON, mostly makes one token. Han, kana and Hangul come to 1.2 characters a token,
alphabets of two bytes (Cyrillic, Greek, Arabic) to about 2.5, emoji to 2 tokens each. Pictures are width x height /
750 after being scaled down to what the vendor looks at.
Source of the overheads: Anthropic's documentation, "Tool use: pricing", "Vision", "PDF support", "Token counting".

Every class is one pass over the bytes that runs in C: about 9 ms per megabyte together.
"""

from collections.abc import Iterable
from math import ceil

from freetheai_gateway.dialects.image_header import read_image_header
from freetheai_gateway.domain.conversation import (
    Base64Source,
    Conversation,
    File,
    Image,
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Source,
    Text,
    TextSource,
    Thinking,
    Tool,
    ToolCall,
    ToolMode,
    ToolResult,
    VendorTool,
)

TOKENS_PER_TURN = 2
"""Who speaks, and where it ends."""
TOKENS_PER_REQUEST = 2
TOKENS_FOR_TOOLS = 346
"""The vendor's own instructions about tools; `TOKENS_FOR_FORCED_TOOLS` where a call is demanded."""
TOKENS_FOR_FORCED_TOOLS = 313
TOKENS_PER_CALL = 12
UNKNOWN_IMAGE_TOKENS = 1600
"""A picture whose size is not known, and the most that one is charged."""
TOKENS_PER_PDF_PAGE = 2250
_PDF_PAGE_BASE64_CHARACTERS = 100_000
_LONGEST_EDGE_PIXELS = 1568
_PIXELS_PER_TOKEN = 750

_LETTERS = bytes([*range(65, 91), *range(97, 123)])
_DIGITS = bytes(range(48, 58))
_LINE_ENDS = b"\n"
_PUNCTUATION = bytes(code for code in range(33, 127) if not chr(code).isalnum())
_TWO_BYTE_LEADS = bytes(range(0xC2, 0xE0))
_THREE_BYTE_LEADS = bytes(range(0xE0, 0xF0))
_FOUR_BYTE_LEADS = bytes(range(0xF0, 0xF5))

_ASCII_WEIGHTS = ((_LETTERS, 0.286), (_DIGITS, 0.4), (_PUNCTUATION, 0.2), (_LINE_ENDS, 0.6))
_OTHER_WEIGHTS = ((_TWO_BYTE_LEADS, 0.4), (_THREE_BYTE_LEADS, 1 / 1.2), (_FOUR_BYTE_LEADS, 2.0))
_RUN_WEIGHT = 0.6
_MARKS = bytes(33 if code in _PUNCTUATION else 32 for code in range(256))
_RUN_START = b" !"


def estimate_tokens(conversation: Conversation) -> int:
    """Estimate a whole request: turns, tools, pictures and documents."""
    turns = sum(TOKENS_PER_TURN + _parts(turn.parts) for turn in conversation.turns)
    return ceil(TOKENS_PER_REQUEST + turns + _tools(conversation))


def estimate_text_tokens(text: str | bytes) -> float:
    """Estimate one text."""
    data = text.encode(errors="replace") if isinstance(text, str) else text
    weights = _ASCII_WEIGHTS if data.isascii() else _ASCII_WEIGHTS + _OTHER_WEIGHTS
    single = sum(weight * (len(data) - len(data.translate(None, kinds))) for kinds, weight in weights)
    runs = data.translate(_MARKS).count(_RUN_START)
    return single + runs * _RUN_WEIGHT


def _parts(parts: Iterable[Part]) -> float:
    return sum(map(_part, parts))


def _part(part: Part) -> float:
    match part:
        case Image(source=source):
            return image_tokens(source)
        case File(source=source):
            return _document_tokens(source)
        case ToolCall(name=name, arguments=arguments):
            return TOKENS_PER_CALL + estimate_text_tokens(name) + estimate_text_tokens(arguments)
        case ToolResult(parts=inner):
            return TOKENS_PER_CALL + _parts(inner)
    return estimate_text_tokens(_words(part))


def _words(part: Part) -> str | bytes:
    match part:
        case Text(text=text) | Refusal(text=text) | Thinking(text=text):
            return text
        case Opaque(raw=raw):
            return bytes(raw)
        case RedactedThinking(data=data):
            return data
    return ""  # sound: its length in seconds, which is what vendors charge, is not known here


def image_tokens(source: Source) -> float:
    """Estimate a picture: (width x height) / 750 of what is left after scaling down, at most `UNKNOWN_IMAGE_TOKENS`."""
    header = read_image_header(source.data) if isinstance(source, Base64Source) else None
    if header is None or not header.width or not header.height:
        return UNKNOWN_IMAGE_TOKENS
    scale = min(1.0, _LONGEST_EDGE_PIXELS / max(header.width, header.height))
    return min(header.width * header.height * scale * scale / _PIXELS_PER_TOKEN, UNKNOWN_IMAGE_TOKENS)


def _document_tokens(source: Source) -> float:
    if isinstance(source, TextSource):
        return estimate_text_tokens(source.text)
    pages = max(1, len(source.data) // _PDF_PAGE_BASE64_CHARACTERS) if isinstance(source, Base64Source) else 1
    return pages * TOKENS_PER_PDF_PAGE


def _tools(conversation: Conversation) -> float:
    if not conversation.tools:
        return 0.0
    choice = conversation.tool_choice
    is_forced = choice is not None and choice.mode is ToolMode.REQUIRED
    return (TOKENS_FOR_FORCED_TOOLS if is_forced else TOKENS_FOR_TOOLS) + sum(map(_tool, conversation.tools))


def _tool(tool: Tool | VendorTool) -> float:
    if isinstance(tool, VendorTool):
        return estimate_text_tokens(bytes(tool.raw))
    schema = bytes(tool.schema) if tool.schema is not None else b""
    described = estimate_text_tokens(tool.name) + estimate_text_tokens(tool.description or "")
    return described + estimate_text_tokens(schema)
