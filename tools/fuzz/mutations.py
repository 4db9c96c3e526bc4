"""How a valid input becomes a hostile one: edits that hypothesis draws, shrinks, and that are applied in order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from freetheai_gateway.jsonc import InvalidJSON, decode_any, encode
from freetheai_gateway.sse import event_data, split_events

_FARTHEST = 1 << 20
_MOST_CUTS = 6

_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, 1e308, 1 << 31, 1 << 63, 10**30),
    *(
        "",
        " ",
        "x",
        "null",
        "{",
        '{"a":1}',
        "\x00",
        "é🙂\u2028",
        "x" * 3000,
        "data:;base64,",
        "data:image/png;base64,!",
    ),
    *("text", "image", "image_url", "file", "thinking", "refusal", "tool", "tool_use", "tool_result", "function_call"),
    *("message", "reasoning", "custom", "error", "system", "user", "assistant", "developer", "stop", "auto", "none"),
    *([], [[]], [None], [1], [""], [{}], {}, {"": None}, {"type": None}, {"type": "text"}, {"type": "object"}),
    *({"error": {}}, {"error": "x"}, {"$ref": "#"}, {"text": 1}, {"type": "function", "function": {}}),
)
_ODD_BYTES: tuple[bytes, ...] = (
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"\\udc00",
        b"\\u0000",
        b"\xed\xa0\x80",
        b"1e999",
        b"-",
        b'"',
    ),
    *(b"{", b"}", b"[" * 3000, b'{"a":' * 3000, b"null", b"NaN", b"9" * 400, b",", b"\r", b"\n", b"\r\n", b"\n\n"),
    *(
        b"data:",
        b"data: {}\n\n",
        b"data: null\n\n",
        b"data: [DONE]\n\n",
        b"event: error\n",
        b": x\n\n",
        b"id: 1\n",
        b"\r\n\r\n",
    ),
    *(
        b"0\r\n\r\n",
        b"content-length: 5\r\n",
        b"transfer-encoding: chunked\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b";x=1",
    ),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: `place` is taken modulo what there is to change, `other` is a second place."""

    kind: str
    place: int
    other: int
    value: Any


_PLACES = st.integers(0, _FARTHEST)
_TREE_EDITS = st.builds(
    Edit,
    st.sampled_from(("replace", "replace", "delete", "repeat", "rename", "wrap", "copy")),
    _PLACES,
    _PLACES,
    st.sampled_from(_ODD_VALUES) | st.text(max_size=8) | st.integers(-5, 5),
)
_BYTE_EDITS = st.builds(
    Edit,
    st.sampled_from(("insert", "overwrite", "cut", "repeat", "end")),
    _PLACES,
    st.integers(0, 200),
    st.sampled_from(_ODD_BYTES) | st.binary(max_size=6),
)
_EVENT_EDITS = st.builds(Edit, st.sampled_from(("drop", "repeat", "swap")), _PLACES, _PLACES, st.none())


def documents(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Draw JSON documents: samples with changed values, samples with changed bytes, and random bytes."""
    some = st.sampled_from(samples)
    changed = st.builds(_edit_document, some, st.lists(_TREE_EDITS, min_size=1, max_size=3))
    damaged = st.builds(_edit_bytes, some | changed, st.lists(_BYTE_EDITS, min_size=1, max_size=3))
    return st.one_of(changed, changed, changed, damaged, st.binary(max_size=200))


def byte_strings(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Draw bytes of any other format: samples with changed bytes, and random bytes."""
    damaged = st.builds(_edit_bytes, st.sampled_from(samples), st.lists(_BYTE_EDITS, max_size=4))
    return st.one_of(damaged, damaged, damaged, st.binary(max_size=300))


def streams(samples: Sequence[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Draw streams of events, cut anywhere: events changed inside, dropped, repeated, moved; bytes changed."""
    some = st.sampled_from(samples)
    changed = st.builds(
        _edit_stream,
        some,
        st.lists(st.tuples(_PLACES, _TREE_EDITS), max_size=4),
        st.lists(_EVENT_EDITS, max_size=3),
    )
    damaged = st.builds(_edit_bytes, some | changed, st.lists(_BYTE_EDITS, min_size=1, max_size=3))
    return cut(st.one_of(changed, changed, changed, damaged, st.binary(max_size=200)))


def cut(data: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Draw the reads in which bytes arrive."""
    return st.builds(_cut, data, st.lists(_PLACES, max_size=_MOST_CUTS))


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# --- documents ------------------------------------------------------------------------------------------------


def _edit_document(sample: bytes, edits: list[Edit]) -> bytes:
    root: list[Any] = [decode_any(sample)]
    for edit in edits:
        spots = list(_spots(root))
        if spots:
            _edit_tree(edit, spots)
    return encode(root[0] if root else None)


def _spots(node: Any) -> Iterator[tuple[Any, Any]]:
    """Walk every place of a tree: a container and a key or index in it."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from _spots(value)


def _edit_tree(edit: Edit, spots: list[tuple[Any, Any]]) -> None:
    holder, key = spots[edit.place % len(spots)]
    # Values are encoded and decoded where they are copied, so that no tree ever holds itself.
    match edit.kind:
        case "delete":
            del holder[key]
        case "repeat" if isinstance(holder, list):
            holder.insert(key, decode_any(encode(holder[key])))
        case "rename" if isinstance(holder, dict):
            holder[edit.value if isinstance(edit.value, str) else "type"] = holder.pop(key)
        case "wrap":
            holder[key] = [holder[key]]
        case "copy":
            other, other_key = spots[edit.other % len(spots)]
            holder[key] = decode_any(encode(other[other_key]))
        case _:
            holder[key] = decode_any(encode(edit.value))


# --- bytes and streams ----------------------------------------------------------------------------------------


def _edit_bytes(data: bytes, edits: list[Edit]) -> bytes:
    for edit in edits:
        at = edit.place % (len(data) + 1)
        end = min(len(data), at + edit.other)
        match edit.kind:
            case "insert":
                data = data[:at] + edit.value + data[at:]
            case "overwrite":
                data = data[:at] + edit.value + data[at + len(edit.value) :]
            case "cut":
                data = data[:at] + data[end:]
            case "repeat":
                data = data[:end] + data[at:end] + data[end:]
            case _:
                data = data[:at]
    return data


def _edit_stream(sample: bytes, inside: list[tuple[int, Edit]], order: list[Edit]) -> bytes:
    events = split_events(sample)
    for place, edit in inside:
        at = place % len(events)
        events[at] = _edit_event(events[at], edit)
    for edit in order:
        if events:
            _edit_order(events, edit)
    return b"".join(events)


def _edit_event(event: bytes, edit: Edit) -> bytes:
    data = event_data(event) or b""
    try:
        return event.replace(data, _edit_document(data, [edit])) if data else event
    except InvalidJSON:
        return event  # `[DONE]`


def _edit_order(events: list[bytes], edit: Edit) -> None:
    at, other = edit.place % len(events), edit.other % len(events)
    change: dict[str, Callable[[], Any]] = {
        "drop": lambda: events.pop(at),
        "repeat": lambda: events.insert(other, events[at]),
        "swap": lambda: events.insert(other, events.pop(at)),
    }
    change[edit.kind]()
