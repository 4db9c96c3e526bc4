"""Scripted image providers, written from their public documentation, each an `UpstreamClient` without a socket.

`mood` is how a vendor behaves: `good`, `moderated`, `failed`, `busy` (429), `garbage` (a result that is no picture),
`hiccups` (each question about a job, and each fetching of a result, fails the first time: 502, or a broken connection),
`lost` (each of them is answered with 503), `flagged` (moderated by an HTTP error of their own form: `ark`, `fal`).
`moods` are those of the next requests, one by one.
Every request is kept, so that a test can say what exactly went out.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable

from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed, UpstreamRequest
from freetheai_gateway.testing.ports import FakeReply, Pause

BFL, FAL = "https://api.bfl.ai", "https://queue.fal.run"
_THRICE = 3
_DELIVERY = "https://delivery.example/result.png?sig=1"


class ImageVendor:
    """Implements `UpstreamClient` for one provider."""

    def __init__(self, picture: bytes, mood: str = "good") -> None:
        self.picture = picture
        self.mood = mood
        self.requests: list[UpstreamRequest] = []
        self.looks = 0
        """How often the newest job was asked for."""
        self.looked_thrice = asyncio.Event()
        self._asked: set[str] = set()
        self.moods: list[str] = []
        self.hold: Pause | None = None
        """Where every request stays."""

    @property
    def base64(self) -> str:
        """What a result holds."""
        return b64encode(b"not a picture" if self.mood == "garbage" else self.picture).decode()

    async def send(self, request: UpstreamRequest) -> FakeReply:
        """Answer as the vendor does."""
        self.requests.append(request)
        if self.moods:
            self.mood = self.moods.pop(0)
        if self.mood == "lost" and request.method == "GET":
            return _said({"error": {"message": "No."}}, status=503)
        if self.hold is not None:
            await self.hold.hold()
        if self.mood == "hiccups" and request.method == "GET" and request.target not in self._asked:
            self._asked.add(request.target)
            if len(self._asked) % 2:
                return _said({"error": {"message": "Bad gateway."}}, status=502)
            raise UpstreamFailed(Failure.CLOSED, Phase.HEAD)
        if request.target.startswith("/result.png"):
            return FakeReply(b"not a picture" if self.mood == "garbage" else self.picture, content_type=b"image/png")
        if self.mood == "busy":
            return _said({"error": {"message": "Slow down.", "code": "rate_limited"}}, status=429)
        return self.answer(request)

    def answer(self, request: UpstreamRequest) -> FakeReply:
        """Give the reply to one request."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""


class OpenAIVendor(ImageVendor):
    """`POST /images/generations`, `POST /images/edits`; refuses `response_format`, streams on request."""

    def answer(self, request: UpstreamRequest) -> FakeReply:
        """Give pictures, events, or an error."""
        if b"response_format" in request.body:
            return _said({"error": {"message": "Unknown parameter.", "code": "unknown_parameter"}}, status=400)
        if self.mood == "moderated":
            error = {"message": "Your request was rejected.", "type": "image_generation_user_error"}
            return _said({"error": {**error, "code": "moderation_blocked"}}, status=400)
        if self.mood == "failed":
            return _said({"error": {"message": "The server had an error."}}, status=500)
        usage = {"input_tokens": 11, "output_tokens": 272, "total_tokens": 283}
        if b'"stream":true' in request.body or b'name="stream"' in request.body:
            stem = "image_edit" if request.target.endswith("/edits") else "image_generation"
            partial = {"type": f"{stem}.partial_image", "b64_json": self.base64, "partial_image_index": 0}
            completed = {"type": f"{stem}.completed", "b64_json": self.base64, "usage": usage}
            events = b"".join(b"data: %b\n\n" % encode(each) for each in (partial, completed))
            return FakeReply(events[:50], events[50:], content_type=b"text/event-stream")
        return _said({"created": 1, "data": [{"b64_json": self.base64}], "usage": usage})


class GeminiVendor(ImageVendor):
    """`generateContent`: a thought picture first, which is not the result."""

    def answer(self, request: UpstreamRequest) -> FakeReply:  # noqa: ARG002 - it has one route
        """Give a candidate with a picture, or one that was stopped."""
        if self.mood == "failed":
            return _said({"error": {"code": 500, "message": "Internal.", "status": "INTERNAL"}}, status=500)
        if self.mood == "moderated":
            return _said({"candidates": [{"finishReason": "IMAGE_SAFETY"}], "usageMetadata": {"promptTokenCount": 4}})
        blob = {"inlineData": {"mimeType": "image/png", "data": self.base64}}
        parts = [{"text": "Thinking."}, {"thought": True, "inlineData": {"data": "AAAA"}}, blob]
        usage = {"promptTokenCount": 4, "candidatesTokenCount": 1290}
        return _said({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage})


class BflVendor(ImageVendor):
    """Submit, `polling_url`, signed result."""

    def answer(self, request: UpstreamRequest) -> FakeReply:
        """Give a job, then `Pending`, then the end."""
        if request.method == "POST":
            self.looks = 0
            return _said({"id": "j1", "polling_url": f"{BFL}/v1/get_result?id=j1"})
        self.looks += 1
        if self.looks == 1:
            return _said({"id": "j1", "status": "Pending", "result": None})
        ends = {"moderated": "Request Moderated", "failed": "Error"}
        if self.mood in ends:
            return _said({"id": "j1", "status": ends[self.mood], "result": None})
        return _said({"id": "j1", "status": "Ready", "result": {"sample": _DELIVERY}})


class FalVendor(ImageVendor):
    """The queue: `status_url`, `response_url`, `cancel_url`; `COMPLETED` may hold an error."""

    def answer(self, request: UpstreamRequest) -> FakeReply:
        """Give a job, its states, its result."""
        job = f"{FAL}/fal-ai/flux/requests/r1"
        if request.method == "POST":
            self.looks = 0
            urls = {"status_url": f"{job}/status", "response_url": job, "cancel_url": f"{job}/cancel"}
            return _said({"request_id": "r1", **urls})
        if request.method == "PUT":
            return _said({"status": "CANCELLATION_REQUESTED"}, status=202)
        if request.target.endswith("/status"):
            self.looks += 1
            if self.looks == _THRICE:
                self.looked_thrice.set()
            if self.looks == 1 or self.mood == "endless":
                return _said({"status": "IN_QUEUE", "queue_position": 2}, status=202)
            failed = {"error": "The worker died.", "error_type": "internal"} if self.mood == "failed" else {}
            return _said({"status": "COMPLETED", **failed})
        if self.mood == "flagged":
            fault = {"loc": ["body", "prompt"], "msg": "Flagged.", "type": "content_policy_violation"}
            return _said({"detail": [fault]}, status=422)
        flagged = self.mood == "moderated"
        return _said({"images": [{"url": _DELIVERY, "width": 1, "height": 1}], "has_nsfw_concepts": [flagged]})


class ArkVendor(ImageVendor):
    """Seedream: refuses sizes outside its area; an element of `data` may be an error."""

    def answer(self, request: UpstreamRequest) -> FakeReply:  # noqa: ARG002 - it has one route
        """Give a picture or an element that is an error."""
        faults = {"moderated": "OutputImageSensitiveContentDetected", "failed": "InternalServiceError"}
        if self.mood in faults:
            return _said({"data": [{"error": {"code": faults[self.mood], "message": "No."}}]})
        if self.mood == "flagged":
            fault = {"code": "InputTextSensitiveContentDetected", "message": "No.", "type": "BadRequest"}
            return _said({"error": fault}, status=400)
        usage = {"generated_images": 1, "output_tokens": 4096, "total_tokens": 4096}
        return _said({"data": [{"b64_json": self.base64, "size": "2048x2048"}], "usage": usage})


VENDORS: dict[str, Callable[[bytes, str], ImageVendor]] = {
    "openai-images": OpenAIVendor,
    "gemini-images": GeminiVendor,
    "bfl": BflVendor,
    "fal": FalVendor,
    "ark": ArkVendor,
}
"""By the provider's api."""


def _said(value: object, *, status: int = 200) -> FakeReply:
    return FakeReply(encode(value), status=status)
