"""The estimate of input tokens, against published counts and averages."""

import pytest

from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.image_header import ImageHeader, read_image_header
from freetheai_gateway.dialects.token_estimate import estimate_text_tokens, estimate_tokens
from freetheai_gateway.jsonc import encode

PROSE = (
    "When in the Course of human events, it becomes necessary for one people to dissolve the political bands which "
    "have connected them with another, and to assume among the powers of the earth, the separate and equal station "
    "to which the Laws of Nature and of Nature's God entitle them, a decent respect to the opinions of mankind "
    "requires that they should declare the causes which impel them to the separation."
)
CODE = '''def fold(events: Iterable[Event]) -> Reply | None:
    """Fold events into a whole reply."""
    folder = Folder()
    for event in events:
        folder.add(event)
    return folder.reply()
'''
JSON = (
    '{"name":"get_weather","input_schema":{"type":"object","properties":{"location":{"type":"string"}}},"n":[1,20,300]}'
)


def estimate(**fields: object) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return estimate_tokens(MessagesTranslator().parse(encode(body)))


@pytest.mark.parametrize(
    ("text", "bytes_per_token"), [(PROSE, 4.0), (CODE, 3.4), (JSON, 3.0), ("日本語の文章をここに書きます。" * 4, 3.6)]
)
def test_text_is_within_15_percent_of_the_published_averages(text: str, bytes_per_token: float) -> None:
    """English prose, code, JSON, and Japanese at 1.2 characters a token."""
    expected = len(text.encode()) / bytes_per_token
    assert estimate_text_tokens(text) == pytest.approx(expected, rel=0.15)


def test_the_examples_of_the_documentation_are_within_15_percent() -> None:
    """Anthropic documents 14 tokens for the first and 403 for the second."""
    assert estimate(
        system="You are a scientist", messages=[{"role": "user", "content": "Hello, Claude"}]
    ) == pytest.approx(14, rel=0.15)
    location = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
    schema = {"type": "object", "properties": {"location": location}, "required": ["location"]}
    tool = {"name": "get_weather", "description": "Get the current weather in a given location", "input_schema": schema}
    question = [{"role": "user", "content": "What's the weather like in San Francisco?"}]
    assert estimate(tools=[tool], messages=question) == pytest.approx(403, rel=0.15)


def test_everything_that_is_sent_counts() -> None:
    """System, tools, calls, results, thinking, documents and what only one dialect knows."""
    base = estimate()
    long = "word " * 400
    blocks: tuple[dict[str, object], ...] = (
        {"type": "text", "text": long},
        {"type": "thinking", "thinking": long, "signature": "s"},
        {"type": "redacted_thinking", "data": long},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"a": long}},
        {"type": "tool_result", "tool_use_id": "a", "content": long},
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": long}]},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": long}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
        {"type": "invented_later", "words": long},
    )
    requests: list[dict[str, object]] = [{"messages": [{"role": "user", "content": [block]}]} for block in blocks]
    requests.append({"system": long})
    requests.append({"tools": [{"name": "f", "description": long, "input_schema": {}}]})
    requests.append({"tools": [{"type": "web_search_20250305", "name": long}]})
    for fields in requests:
        assert estimate(**fields) >= base + 400, fields


def png(width: int, height: int) -> str:
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return _base64(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size + bytes(40))


def _base64(data: bytes) -> str:
    return encode(data).decode().strip('"')


def image(data: str) -> int:
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return estimate(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}]) - estimate(
        messages=[{"role": "user", "content": []}]
    )


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        (png(200, 200), 54),
        (png(1000, 1000), 1334),
        (png(1092, 1092), 1590),
        (png(8000, 400), 164),
        (png(9000, 9000), 1600),
        ("!", 1600),
    ],
)
def test_pictures_cost_what_the_documentation_says(data: str, tokens: int) -> None:
    """54, 1,334 and 1,590 tokens are in its table; larger ones are scaled down; unknown ones cost the most."""
    assert image(data) == pytest.approx(tokens, abs=2)


def test_headers_of_all_four_formats_are_read() -> None:
    """The type by the bytes, not by what the caller says."""
    jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(10) + b"\xff\xff\xc2\0\x11\x08\0\x20\0\x40" + bytes(20)
    riff = b"RIFF\0\0\0\0WEBP"
    expected = {
        jpeg: ImageHeader("image/jpeg", 64, 32),
        b"GIF89a\x40\0\x20\0" + bytes(20): ImageHeader("image/gif", 64, 32),
        riff + b"VP8X" + bytes(8) + b"\x3f\0\0\x1f\0\0" + bytes(8): ImageHeader("image/webp", 64, 32),
        riff + b"VP8L" + bytes(5) + (63 | 31 << 14).to_bytes(4, "little") + bytes(8): ImageHeader("image/webp", 64, 32),
        riff + b"VP8 " + bytes(10) + b"\x40\0\x20\0" + bytes(8): ImageHeader("image/webp", 64, 32),
        riff + b"VP9 " + bytes(20): ImageHeader("image/webp"),
        b"\xff\xd8\xff\xd9": ImageHeader("image/jpeg"),
    }
    for data, header in expected.items():
        assert read_image_header(_base64(data)) == header
    for nothing in ("", "!!!!", "AAAA", "\ud83d" * 8):
        assert read_image_header(nothing) is None
