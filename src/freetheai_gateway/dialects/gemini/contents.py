"""Turns as `contents` and `systemInstruction`, in the order that Gemini demands.

Instructions from anywhere stand in `systemInstruction`; neighbours of one role become one content; every function
call is answered in the content after it, responses first. A result without a call is told as text, a call without a
result is answered in the caller's place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.gemini.media import Part, media_part
from freetheai_gateway.dialects.gemini.models import Traits
from freetheai_gateway.dialects.gemini.names import sent_name
from freetheai_gateway.dialects.gemini.values import call_arguments, is_visible
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.dialects.tool_names import flat_name, safe
from freetheai_gateway.domain import conversation as neutral
from freetheai_gateway.domain.conversation import Role, Turn
from freetheai_gateway.errors import InvalidRequest

Content = dict[str, object]

LOST_SIGNATURE = "skip_thought_signature_validator"
"""Stands for a signature that did not survive its way through a client. Source: "Thought signatures"."""

_INSTRUCTIONS = frozenset({Role.SYSTEM, Role.DEVELOPER})
_UNANSWERED = "no result"
_ORPHAN = "Result of a tool call that is no longer part of this conversation:"
_EARLIER = "(The conversation goes on from here; its beginning was left out.)"
_ATTACHED = "[attached below]"


def write_contents(turns: Sequence[Turn], traits: Traits, dropped: set[str]) -> tuple[list[Part], list[Content]]:
    """Write the parts of `systemInstruction`, and `contents`. Raises `InvalidRequest` where nothing is to be sent."""
    instructions = [found for turn in turns if turn.role in _INSTRUCTIONS and (found := _texts(turn, dropped))]
    written = _Correspondence(traits, dropped).contents([turn for turn in turns if turn.role not in _INSTRUCTIONS])
    if not written and instructions:
        # A request needs a user's content: the last instruction is taken for one.
        written = [{"role": "user", "parts": instructions.pop()}]
    if not written:
        raise InvalidRequest("messages has no content.", param="messages")
    return [part for parts in instructions for part in parts], written


def _texts(turn: Turn, dropped: set[str]) -> list[Part]:
    """Write the texts of an instruction, which is all it may have."""
    others = [part for part in turn.parts if not isinstance(part, neutral.Text)]
    dropped.update(part.kind if isinstance(part, neutral.Opaque) else "system" for part in others)
    texts = [part.text for part in turn.parts if isinstance(part, neutral.Text)]
    return [{"text": text} for text in texts if is_visible(text)]


@dataclass(slots=True)
class _Correspondence:
    """Pairs calls with results while the contents are written one after the other."""

    traits: Traits
    dropped: set[str]
    taken: set[str] = field(default_factory=set)
    waiting: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Ids and names as sent, of the calls of the last turn that have no result yet, by the caller's id."""
    written: list[Content] = field(default_factory=list)

    def contents(self, turns: Sequence[Turn]) -> list[Content]:
        """Write all turns; calls of the last one are answered too."""
        for turn in turns:
            if turn.role is Role.USER:
                self._append("user", self._answers(turn))
            else:
                # Calls wait only while the last content is the model's, which this turn then continues.
                self._append("model", self._said_by_model(turn))
        self._append("user", self._missing())
        for content in self.written:
            _mark_lost_signature(content, self.traits)
        return self.written

    def _continues(self, role: str) -> bool:
        return bool(self.written) and self.written[-1]["role"] == role

    def _append(self, role: str, parts: list[Part]) -> None:
        if not parts:
            return
        if self._continues(role):
            known = self.written[-1]["parts"]
            assert isinstance(known, list)
            known += parts
            return
        if not self.written and role == "model" and any("functionCall" in part for part in parts):
            # A call may only follow what the user said; clients cut long histories anywhere.
            self.written.append({"role": "user", "parts": [{"text": _EARLIER}]})
        self.written.append({"role": role, "parts": parts})

    # --- the model's side -------------------------------------------------------------------------------------

    def _said_by_model(self, turn: Turn) -> list[Part]:
        written = (self._model_part(part) for part in turn.parts)
        return [part for part in written if part is not None]

    def _model_part(self, part: neutral.Part) -> Part | None:
        match part:
            case neutral.ToolCall():
                return self._call(part)
            case neutral.Thinking(signature=signature, vendor=vendor):
                if vendor == DialectName.GEMINI and signature:
                    # The thoughts themselves are not sent back, only what proves them.
                    return {"text": "", "thoughtSignature": signature}
                if vendor != DialectName.GEMINI:
                    self.dropped.add("thinking")
                return None
            case _:
                return self._spoken(part)

    def _call(self, call: neutral.ToolCall) -> Part:
        name = sent_name(flat_name(call.name, call.namespace))
        sent = self._unique_id(call.id)
        self.waiting.setdefault(call.id, []).append((sent, name))
        part: Part = {"functionCall": {"id": sent, "name": name, "args": call_arguments(call)}}
        if signature := _own_signature(call.signature):
            part["thoughtSignature"] = signature
        return part

    def _unique_id(self, given: str) -> str:
        base = safe(given) if given else f"call_{len(self.taken)}"
        sent, copy = base, 1
        while sent in self.taken:
            copy += 1
            sent = f"{base[:56]}_{copy}"
        self.taken.add(sent)
        return sent

    # --- the user's side --------------------------------------------------------------------------------------

    def _answers(self, turn: Turn) -> list[Part]:
        """Write responses first, then what is missing, then everything else."""
        responses: list[Part] = []
        rest: list[Part] = []
        for part in turn.parts:
            if isinstance(part, neutral.ToolResult) and part.call_id in self.waiting:
                response, attached = self._response(part)
                responses.append(response)
                rest += attached
            elif isinstance(part, neutral.ToolResult):
                rest += [{"text": _ORPHAN}, *self._all_spoken(part.parts)]
            elif (spoken := self._spoken(part)) is not None:
                rest.append(spoken)
        return [*responses, *(self._missing() if responses or rest else ()), *rest]

    def _missing(self) -> list[Part]:
        calls = [call for waiting in self.waiting.values() for call in waiting]
        self.waiting.clear()
        return [_function_response(sent, name, {"error": _UNANSWERED}) for sent, name in calls]

    def _response(self, result: neutral.ToolResult) -> tuple[Part, list[Part]]:
        """Write one response, and the parts that follow because it can't hold them."""
        waiting = self.waiting[result.call_id]
        sent, name = waiting.pop(0)
        if not waiting:
            del self.waiting[result.call_id]
        spoken = self._all_spoken(result.parts)
        media = [part for part in spoken if "text" not in part]
        texts = [str(part["text"]) for part in spoken if "text" in part]
        is_inside = self.traits.media_in_results and all("inlineData" in part for part in media)
        if media and not is_inside:
            texts.append(_ATTACHED)
        response = _function_response(sent, name, {"error" if result.is_error else "result": "\n".join(texts)})
        if not media or is_inside:
            return _with_media(response, media), []
        return response, [{"text": f"[Attached to the result of {name}]"}, *media]

    # --- both -------------------------------------------------------------------------------------------------

    def _all_spoken(self, parts: Sequence[neutral.Part]) -> list[Part]:
        written = (self._spoken(part) for part in parts)
        return [part for part in written if part is not None]

    def _spoken(self, part: neutral.Part) -> Part | None:
        match part:
            case neutral.Text(text=text) | neutral.Refusal(text=text):
                return {"text": text} if is_visible(text) else None
            case neutral.Image() | neutral.File() | neutral.Audio():
                return media_part(part)
            case neutral.Opaque(kind=kind):
                self.dropped.add(kind)
            case neutral.Thinking() | neutral.RedactedThinking():
                self.dropped.add("thinking")
            case neutral.ToolCall() | neutral.ToolResult():
                # At a place where neither can be said: a call by the user, a result inside a result.
                self.dropped.add("tool_calls")
        return None


def _function_response(sent: str, name: str, response: dict[str, object]) -> Part:
    return {"functionResponse": {"id": sent, "name": name, "response": response}}


def _with_media(part: Part, media: list[Part]) -> Part:
    response = part["functionResponse"]
    assert isinstance(response, dict)
    return {"functionResponse": {**response, "parts": media}} if media else part


def _own_signature(signature: str | None) -> str | None:
    """Take a signature that is Gemini's; one that was minted for another vendor's is none."""
    minted = signatures.read(signature or "")
    if minted is None:
        return signature or None
    vendor, payload = minted
    return payload or None if vendor in {DialectName.GEMINI, signatures.TOOL_CALL} else None


def _mark_lost_signature(content: Content, traits: Traits) -> None:
    """Put the documented sentinel on the first call of a model's content where the signature was lost."""
    parts = content["parts"]
    assert isinstance(parts, list)
    first = next((part for part in parts if "functionCall" in part), None)
    if traits.wants_signatures and first is not None:
        first.setdefault("thoughtSignature", LOST_SIGNATURE)
