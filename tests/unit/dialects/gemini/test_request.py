"""Conversations as bodies of `generateContent`; every body is judged by the official SDK's types."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.gemini import Gemini
from freetheai_gateway.dialects.gemini.contents import LOST_SIGNATURE
from freetheai_gateway.domain import conversation as neutral
from freetheai_gateway.domain.conversation import (
    Audio,
    Base64Source,
    File,
    FileIdSource,
    Grammar,
    Image,
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    TextSource,
    Thinking,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
    Turn,
    UrlSource,
)
from freetheai_gateway.domain.events import Reply, fold
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Raw, decode_any, encode
from tests.unit.dialects.gemini.judge import (
    HELLO,
    NEW,
    OLD,
    Body,
    body_of,
    model,
    rendered,
    talk,
    user,
)

PNG = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()


# --- turns ----------------------------------------------------------------------------------------------------


def test_turns_when_rendered_then_alternate_and_instructions_stand_apart() -> None:
    """Neighbours merge; instructions from the middle and the end (bugs 85 and 86) are never the model's."""
    body = body_of(
        talk(
            Turn(Role.SYSTEM, (Text("s1"),)),
            user(Text("a")),
            user(Text("b")),
            model(Text("c")),
            Turn(Role.DEVELOPER, (Text("s2"),)),
            model(Refusal("d")),
            user(Text("e")),
            Turn(Role.SYSTEM, (Text("s3"),)),
        )
    )
    assert body["systemInstruction"] == {"parts": [{"text": "s1"}, {"text": "s2"}, {"text": "s3"}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
        {"role": "user", "parts": [{"text": "e"}]},
    ]
    assert "generationConfig" not in body


def test_bug_71_blank_texts_then_are_left_out_with_the_turns_they_emptied() -> None:
    """Also in instructions; neighbours that meet then are merged."""
    blank = (Text(""), Text(" \n"))
    body = body_of(talk(Turn(Role.SYSTEM, blank), user(Text("a")), model(*blank), user(*blank, Text("b"))))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]}


def test_instructions_alone_then_the_last_is_taken_for_the_users() -> None:
    """A request needs contents."""
    body = body_of(talk(Turn(Role.SYSTEM, (Text("a"),)), Turn(Role.DEVELOPER, (Text("b"),))))
    assert body["systemInstruction"] == {"parts": [{"text": "a"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "b"}]}]


@pytest.mark.parametrize("turns", [(user(Text(" ")),), (Turn(Role.SYSTEM, ()),), (model(Thinking("t", "s", "x")),)])
def test_nothing_to_say_then_is_refused(turns: tuple[Turn, ...]) -> None:
    """With the field's name."""
    with pytest.raises(InvalidRequest) as caught:
        rendered(talk(*turns))
    assert caught.value.param == "messages"


# --- calls and results ----------------------------------------------------------------------------------------


def test_tool_loop_then_names_every_response_by_its_call() -> None:
    """Text becomes `result`, a failure (bug 83) `error`; responses come before what the user adds (bugs 79, 80)."""
    body = body_of(
        talk(
            HELLO,
            model(Text("ok"), ToolCall("c1", "get_weather", '{"city":"Wien"}'), ToolCall("c2", "now", "")),
            user(Text("and?"), ToolResult("c2", (Text("noon"),), is_error=True), ToolResult("c1", (Text("[1, 2]"),))),
        )
    )
    assert body["contents"][1]["parts"] == [
        {"text": "ok"},
        {
            "functionCall": {"id": "c1", "name": "get_weather", "args": {"city": "Wien"}},
            "thoughtSignature": LOST_SIGNATURE,
        },
        {"functionCall": {"id": "c2", "name": "now", "args": {}}},
    ]
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c2", "name": "now", "response": {"error": "noon"}}},
        {"functionResponse": {"id": "c1", "name": "get_weather", "response": {"result": "[1, 2]"}}},
        {"text": "and?"},
    ]


@pytest.mark.parametrize("parts", [(), (Text(""),), (Opaque("x", "y", Raw(b"{}")),)])
def test_bug_112_empty_tool_result_then_is_an_object(parts: tuple[Part, ...]) -> None:
    """A response must be one, whatever the tool gave."""
    body = body_of(talk(HELLO, model(ToolCall("c", "f", "{}")), user(ToolResult("c", parts))))
    assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == {"result": ""}


def test_call_without_a_result_then_is_answered_and_a_result_without_a_call_told() -> None:
    """Clients cut their histories; the API demands pairs."""
    body = body_of(
        talk(
            user(ToolResult("gone", (Text("old"),))),
            model(ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")),
            user(ToolResult("b", (Text("r"),))),
            model(ToolCall("c", "f", "{}")),
        )
    )
    assert body["contents"][0]["parts"][1] == {"text": "old"}
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "b", "name": "g", "response": {"result": "r"}}},
        {"functionResponse": {"id": "a", "name": "f", "response": {"error": "no result"}}},
    ]
    assert body["contents"][4]["parts"][0]["functionResponse"]["response"] == {"error": "no result"}


def test_history_that_begins_with_a_call_then_gets_a_beginning() -> None:
    """A call may only follow what the user said."""
    body = body_of(talk(model(ToolCall("a", "f", "{}")), user(ToolResult("a", (Text("r"),)))))
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (" \n", {}),
        ('{"a":1}', {"a": 1}),
        ("not json", {"_raw": "not json"}),
        ("[1]", {"_raw": "[1]"}),
        ('{"a":"\\ud83d"}', {"a": "\ufffd"}),
        ("\ud83d", {"_raw": "?"}),
        ('{"a":1}{"b":2}', {"_raw": '{"a":1}{"b":2}'}),
    ],
)
def test_bug_40_arguments_that_are_no_object_then_are_wrapped(arguments: str, expected: Body) -> None:
    """Empty ones (bug 34) are an empty object; lone surrogates (bug 14) are replaced."""
    body = body_of(talk(HELLO, model(ToolCall("a", "f", arguments))))
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == expected


def test_bug_89_ids_when_bad_or_doubled_then_stay_paired_and_apart() -> None:
    """The same on the call and on its result, also for those that differ in bad characters only."""
    ids = ["f.Bash:0", "f:Bash.0", "", "x" * 200, "same", "same"]
    body = body_of(
        talk(
            HELLO,
            model(*(ToolCall(given_id, "f", "{}") for given_id in ids)),
            user(*(ToolResult(given_id, (Text(str(at)),)) for at, given_id in enumerate(ids))),
        )
    )
    calls = [part["functionCall"]["id"] for part in body["contents"][1]["parts"]]
    results = [part["functionResponse"]["id"] for part in body["contents"][2]["parts"]]
    assert calls == results
    assert len(set(calls)) == len(ids)


def test_custom_tool_then_is_a_function_with_one_text() -> None:
    """In its declaration, with the grammar in words, and in the history."""
    tool = Tool("patch", "Edits.", kind=ToolKind.CUSTOM, grammar=Grammar("lark", "start: X"))
    call = ToolCall("c", "patch", "*** Begin", ToolKind.CUSTOM)
    body = body_of(talk(HELLO, model(call), tools=(tool,)))
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert "lark grammar:\nstart: X" in declared["description"]
    assert declared["parameters"]["properties"] == {"input": {"type": "string"}}
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "*** Begin"}


# --- signatures and thoughts ----------------------------------------------------------------------------------


def test_bug_107_history_of_another_vendor_then_has_the_sentinel_on_first_calls_only() -> None:
    """One per turn of the model; other vendors' thinking is not sent."""
    foreign = (Thinking("hm", "sig", "anthropic_messages"), RedactedThinking("x", "openai_responses"))
    result = rendered(
        talk(
            HELLO,
            model(*foreign, ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")),
            user(ToolResult("a", ()), ToolResult("b", ())),
            model(ToolCall("c", "f", "{}")),
        )
    )
    assert b"hm" not in result.body
    assert b"sig" not in result.body.replace(b"skip_thought_signature_validator", b"")
    assert result.dropped == ("thinking",)
    contents = decode_any(result.body)
    assert isinstance(contents, dict)
    marks = [[part.get("thoughtSignature") for part in content["parts"]] for content in contents["contents"]]
    assert marks == [[None], [LOST_SIGNATURE, None], [None, None], [LOST_SIGNATURE], [None]]


@pytest.mark.parametrize("name", [OLD, "gemini-2.0-flash", "claude-sonnet-4-5", "models/gemini-1.5-pro"])
def test_history_without_signatures_for_models_that_want_none_then_has_no_sentinel(name: str) -> None:
    """Only generation 3 and later refuse such a history."""
    assert LOST_SIGNATURE.encode() not in rendered(talk(HELLO, model(ToolCall("a", "f", "{}"))), name).body


@pytest.mark.parametrize(
    ("signature", "sent"),
    [
        ("c2ln", "c2ln"),
        (signatures.mint("gemini", "c2ln"), "c2ln"),
        (signatures.mint(signatures.TOOL_CALL, "c2ln"), "c2ln"),
        (signatures.mint("anthropic_messages", "c2ln"), LOST_SIGNATURE),
        (signatures.mint("gemini", ""), LOST_SIGNATURE),
        ("", LOST_SIGNATURE),
        (None, LOST_SIGNATURE),
    ],
)
def test_signature_of_a_call_then_goes_back_at_the_same_call(signature: str | None, sent: str) -> None:
    """Unless it is another vendor's."""
    body = body_of(talk(HELLO, model(Text("t"), ToolCall("a", "f", "{}", signature=signature))))
    assert body["contents"][1]["parts"][1]["thoughtSignature"] == sent


def test_thoughts_then_are_not_sent_back_but_their_signatures_are() -> None:
    """At the place where they stood."""
    result = talk(HELLO, model(Thinking("deep", None, "gemini"), Thinking("more", "c2ln", "gemini"), Text("a")), HELLO)
    body = body_of(result)
    assert body["contents"][1]["parts"] == [{"text": "", "thoughtSignature": "c2ln"}, {"text": "a"}]
    assert rendered(result).dropped == ()


@pytest.mark.parametrize("position", [0, 1])
def test_bug_106_tool_loop_of_two_turns_then_replays_what_the_model_sent(position: int) -> None:
    """The reply, kept by a client and sent back, has the same calls with their signatures at the same places."""
    calls: list[Body] = [{"functionCall": {"name": name, "args": {"n": name}}} for name in ("f", "g")]
    calls[position]["thoughtSignature"] = "c2lnbmVk"
    reply = {
        "candidates": [{"content": {"role": "model", "parts": calls}, "finishReason": "STOP"}],
        "responseId": "r",
    }
    tools = (Tool("1.f"), Tool("g"))
    first = rendered(talk(HELLO, tools=tools))
    named = {own: sent for sent, own in first.names.items()}
    calls[0]["functionCall"]["name"] = named["1.f"]
    found = fold(Gemini().reply_parser(first).parse_whole(encode(reply)))
    assert isinstance(found, Reply)
    own = [part for part in found.parts if isinstance(part, ToolCall)]
    assert [call.name for call in own] == ["1.f", "g"]
    results = [ToolResult(call.id, (Text(call.name),)) for call in own]
    body = body_of(talk(HELLO, model(*found.parts), user(*results), tools=tools))
    sent = body["contents"][1]["parts"]
    assert [part["functionCall"]["name"] for part in sent] == [named["1.f"], "g"]
    assert sent[position]["thoughtSignature"] == "c2lnbmVk"
    assert [part["functionResponse"]["name"] for part in body["contents"][2]["parts"]] == [named["1.f"], "g"]


# --- pictures, files, recordings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Image(Base64Source("image/jpeg", PNG)), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (Image(UrlSource(f"data:image/png;base64,{PNG}")), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (Image(UrlSource("gs://b/x.webp")), {"fileData": {"mimeType": "image/webp", "fileUri": "gs://b/x.webp"}}),
        (
            File(UrlSource("https://generativelanguage.googleapis.com/v1beta/files/abc")),
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        ),
        (
            File(Base64Source("application/pdf", "AA==")),
            {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        ),
        (File(Base64Source("", "AA=="), "a.CSV"), {"inlineData": {"mimeType": "text/csv", "data": "AA=="}}),
        (File(TextSource("words"), "a.txt"), {"text": "a.txt:\nwords"}),
        (Audio("AA==", "wav"), {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}),
        (Audio("AA==", "mp3"), {"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}}),
    ],
)
def test_attachment_then_is_inline_or_a_file_of_google(part: Part, expected: Body) -> None:
    """With the type that its bytes say."""
    assert body_of(talk(user(Text("see"), part)))["contents"][0]["parts"] == [{"text": "see"}, expected]


@pytest.mark.parametrize(
    "source",
    [
        UrlSource("https://example.com/cat.png"),
        UrlSource("https://generativelanguage.googleapis.com.example.com/x.png"),
        UrlSource("data:text/plain,hello"),
        FileIdSource("file-1"),
        Base64Source("", "AA=="),
    ],
)
def test_attachment_that_the_model_could_not_see_then_is_refused(source: neutral.Source) -> None:
    """With the field and without the address."""
    with pytest.raises(InvalidRequest) as caught:
        rendered(talk(user(Image(source))))
    assert caught.value.param == "messages"
    assert "example.com" not in caught.value.message


def test_picture_in_a_result_then_is_inside_it_or_follows() -> None:
    """Generation 3 takes it inside the response, older ones behind all responses."""
    conversation = talk(
        HELLO,
        model(ToolCall("a", "shoot", "{}"), ToolCall("b", "f", "{}")),
        user(ToolResult("a", (Text("done"), Image(Base64Source("image/png", PNG)))), ToolResult("b", (Text("r"),))),
    )
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    new = body_of(conversation)["contents"][2]["parts"]
    assert new[0]["functionResponse"]["response"] == {"result": "done"}
    assert new[0]["functionResponse"]["parts"] == [inline]
    assert len(new) == 2
    old = body_of(conversation, OLD)["contents"][2]["parts"]
    assert old[0]["functionResponse"]["response"] == {"result": "done\n[attached below]"}
    assert "shoot" in old[2]["text"]
    assert old[3] == inline


# --- any conversation -----------------------------------------------------------------------------------------

words = st.text(max_size=8)
ids = st.sampled_from(["", "a", "b", "a:b", "a.b"])
simple = st.builds(Text, words) | st.builds(Refusal, words) | st.just(Image(Base64Source("image/png", PNG)))
vendors = st.sampled_from(["", "gemini", "anthropic_messages"])
parts = (
    simple
    | st.builds(Thinking, words, st.sampled_from([None, "", "c2ln"]), vendors)
    | st.builds(RedactedThinking, words, vendors)
    | st.builds(ToolCall, ids, st.sampled_from(["f", "1f", "a.b"]), words | st.just('{"a":1}'))
    | st.builds(ToolResult, ids, st.lists(simple, max_size=2).map(tuple), st.booleans())
    | st.just(Opaque("x", "kind", Raw(b"{}")))
)
turns = st.lists(st.builds(Turn, st.sampled_from(Role), st.lists(parts, max_size=4).map(tuple)), max_size=6)


@settings(max_examples=200, deadline=None)
@given(turns, st.sampled_from([NEW, OLD]))
def test_any_conversation_then_is_what_gemini_takes(said: list[Turn], name: str) -> None:
    """However wild the history, the body keeps the documented order, or the request is refused by name."""
    has_text = any(isinstance(part, Text) and part.text.strip() for turn in said for part in turn.parts)
    try:
        body_of(talk(*said), name)
    except InvalidRequest:
        is_refused = True
    else:
        is_refused = False
    assert not (is_refused and has_text)
