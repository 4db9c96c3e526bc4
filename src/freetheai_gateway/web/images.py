"""The image routes: generations and edits, background jobs, and the files under signed addresses."""

import asyncio
from typing import Protocol

from freetheai_gateway.dialects.openai_images import ImageRequest, parse_request
from freetheai_gateway.domain.images import Operation
from freetheai_gateway.errors import NotFound
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.image_jobs import ImageJobs, render_job
from freetheai_gateway.services.images import Images
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.query import read_fields
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import JSON, Response

_READ_AT_ONCE_BYTES = 512 * 1024
"""Up to here reading takes under a millisecond."""
_POLL_AFTER = (b"retry-after", b"2")
_PRIVATE = (b"cache-control", b"no-store")


class ReadsPictures(Protocol):
    """Gives a picture that was kept."""

    async def read(self, name: str, expires: str, signature: str) -> bytes | None:
        """Read it by what its address says; `None` where that is wrong or too old."""
        ...


class ImageRoutes:
    """The handlers of the image routes."""

    def __init__(
        self,
        authenticator: Authenticator,
        images: Images,
        jobs: ImageJobs,
        files: ReadsPictures,
        *,
        max_body_bytes: int,
        crowd: Crowd,
    ) -> None:
        self._authenticator = authenticator
        self._images = images
        self._jobs = jobs
        self._files = files
        self._max_body_bytes = max_body_bytes
        self._crowd = crowd

    async def generate(self, request: Request, response: Response) -> None:
        """`POST /v1/images/generations`."""
        await self._make(Operation.GENERATE, request, response)

    async def edit(self, request: Request, response: Response) -> None:
        """`POST /v1/images/edits`."""
        await self._make(Operation.EDIT, request, response)

    async def show_job(self, request: Request, response: Response) -> None:
        """`GET /v1/images/generations/{id}`: 202 while it is worked on, 200 when it has ended."""
        trace = response.trace
        trace.caller = await self._authenticator.caller(presented_key(request.headers), request.sender)
        job = await self._jobs.find(request.params["id"], trace.caller)
        if job.status in {"pending", "running"}:
            await response.send_whole(202, (JSON, _PRIVATE, _POLL_AFTER), encode(render_job(job)))
            return
        response.add_headers((_PRIVATE,))
        await self._jobs.show(job, response)

    async def show_file(self, request: Request, response: Response) -> None:
        """`GET /v1/images/files/{name}`: no key is asked for, the address itself is signed."""
        query = read_fields(request.query)
        name = request.params["id"]
        data = await self._files.read(name, query.get("expires", ""), query.get("signature", ""))
        if data is None:
            raise NotFound("This address is not valid, or the picture was deleted: results are kept for a while only.")
        kind = name.rpartition(".")[2].encode()
        headers = (
            (b"content-type", b"image/" + kind),
            (b"cache-control", b"private, max-age=300"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"sandbox"),
        )
        await response.send_whole(200, headers, data)

    async def _make(self, operation: Operation, request: Request, response: Response) -> None:
        trace = response.trace
        trace.caller = await self._authenticator.caller(presented_key(request.headers), request.sender)
        with self._crowd.place(request, self._max_body_bytes) as place:
            body = await place.read_body()
            wanted = await self._read(request, body, operation)
            if not wanted.in_background:
                commission = await self._images.admit(wanted, trace.caller, trace, len(body))
                del body
                await self._images.answer(commission, response)
                return
            await self._begin(wanted, response, len(body))

    async def _read(self, request: Request, body: bytes, operation: Operation) -> ImageRequest:
        """Read what is asked; megabytes in a thread, where the interpreter lets others run between the pieces."""
        content_type = request.header(b"content-type").decode("latin-1")
        rules = self._images.policy.rules
        if len(body) < _READ_AT_ONCE_BYTES:
            return parse_request(body, content_type, operation, rules)
        return await asyncio.to_thread(parse_request, body, content_type, operation, rules)

    async def _begin(self, wanted: ImageRequest, response: Response, size_bytes: int) -> None:
        trace = response.trace
        assert trace.caller is not None
        job_trace = self._jobs.trace_of(trace)
        commission = await self._images.admit(wanted, trace.caller, job_trace, size_bytes)
        response.add_lines(commission.limit_lines)
        job = await self._jobs.start(commission)
        trace.model = job.model
        location = (b"location", f"/v1/images/generations/{job.id}".encode())
        await response.send_whole(202, (JSON, _PRIVATE, _POLL_AFTER, location), encode(render_job(job)))
