"""Cutting event streams, whatever the line ends and wherever the reads end."""

import pytest

from freetheai_gateway.sse import (
    MAX_EVENT_BYTES,
    EventCutter,
    EventTooLarge,
    LargeEventCutter,
    comment,
    event_data,
    large_event_data,
    split_events,
)

STREAMS = {
    "lf": b'data: {"a":1}\n\n: ping\n\ndata: [DONE]\n\n',
    "crlf": b'data: {"a":1}\r\n\r\n: ping\r\n\r\ndata: [DONE]\r\n\r\n',
    "cr": b'data: {"a":1}\r\r: ping\r\rdata: [DONE]\r\r\n',
    "mixed": b'event: x\r\ndata: {"a":1}\n\r\n:\n\ndata:[DONE]\r\n\n',
    "multi-line": b'data: {"a":\ndata: 1}\n\ndata: [DONE]\n\n',
    "unicode": 'data: {"a":"é漢😀"}\n\ndata: [DONE]\n\n'.encode(),
}


def _events(parts: list[bytes]) -> list[bytes | None]:
    cutter = EventCutter()
    out = []
    for part in parts:
        block = cutter.feed(part)
        out += [event_data(event) for event in split_events(block)]
    assert not cutter.held.strip()
    return out


@pytest.mark.parametrize("name", STREAMS)
def test_cutter_when_cut_at_every_byte_then_the_events_are_the_same(name: str) -> None:
    """Two reads split anywhere, and one read per byte, give the events of the whole stream."""
    stream = STREAMS[name] + b"\n"
    expected = _events([stream])
    assert expected[-1] == b"[DONE]"
    for cut in range(1, len(stream)):
        assert _events([stream[:cut], stream[cut:]]) == expected, cut
    assert _events([stream[at : at + 1] for at in range(len(stream))]) == expected


def test_cutter_gives_back_every_byte_it_was_fed() -> None:
    """Whole events come out unchanged; the rest is held."""
    cutter = EventCutter()
    assert cutter.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert cutter.held == b"data: 2"
    assert cutter.feed(b"\n\n") == b"data: 2\n\n"
    assert cutter.held == b""


def test_cutter_when_an_event_never_ends_then_it_is_too_large() -> None:
    """Memory per stream is bounded."""
    cutter = EventCutter()
    with pytest.raises(EventTooLarge):
        for _ in range(MAX_EVENT_BYTES // 65_536 + 2):
            cutter.feed(b"x" * 65_536)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data\n\n", b""),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"event: e\ndata: x\nid: 1\n\n", b"x"),
        (b": comment\n\n", None),
        (b"event: only\n\n", None),
        (b"data: x\r\n\r\n", b"x"),
    ],
)
def test_event_data_follows_the_event_stream_format(event: bytes, data: bytes | None) -> None:
    """One optional space, joined lines, comments ignored."""
    assert event_data(event) == data


def test_comment_is_one_event_without_data() -> None:
    """A sign of life that no client parses."""
    assert event_data(comment("keep-alive")) is None
    assert comment("keep-alive").endswith(b"\n\n")


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_large_cutter_when_cut_at_every_byte_then_the_events_are_the_same(line_end: bytes) -> None:
    """Two reads split anywhere, and one read per byte."""
    stream = line_end.join([b"event: x", b'data: {"a":', b"data:1}", b"", b": ping", b"", b"data: [DONE]", b"", b""])
    expected = [b'{"a":\n1}', None, b"[DONE]"]

    def events(*parts: bytes) -> list[bytes | None]:
        cutter = LargeEventCutter(1_000)
        return [large_event_data(event) for part in parts for event in cutter.feed(part)]

    assert events(stream) == expected
    for cut in range(1, len(stream)):
        assert events(stream[:cut], stream[cut:]) == expected, cut
    assert events(*(stream[at : at + 1] for at in range(len(stream)))) == expected


def test_large_cutter_when_an_event_never_ends_then_it_is_refused() -> None:
    """At the cap that was given."""
    cutter = LargeEventCutter(10)
    assert cutter.feed(b"data: 1234") == []
    with pytest.raises(EventTooLarge):
        cutter.feed(b"5")
