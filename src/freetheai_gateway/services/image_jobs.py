"""Background jobs: a request for pictures that is answered at once, and whose result is asked for later."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.openai_images import render_job_reply
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.images import MadePicture
from freetheai_gateway.errors import GatewayError, NotFound, ProviderUnavailable, ServerError
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.jsonc import encode
from freetheai_gateway.log import get_log
from freetheai_gateway.services.image_ports import JobPicture, JobState, JobStore, PictureVault
from freetheai_gateway.services.images import Commission, Images, settled, wants_urls
from freetheai_gateway.services.picture_answers import send_reply
from freetheai_gateway.services.ports import Sink
from freetheai_gateway.services.trace import Trace

_LOG = get_log("image_jobs")
_BEAT_S = 2.0

Observe = Callable[[Trace], None]


class ImageJobs:
    """Runs jobs in this process and keeps their states where every process finds them.

    A job holds its slot of the account's concurrency until it ends, like any other request.
    """

    def __init__(
        self, images: Images, store: JobStore, vault: PictureVault, clock: Clock, *, keep_s: float, observe: Observe
    ) -> None:
        self._images = images
        self._vault = vault
        self._store = store
        self._clock = clock
        self._keep_s = keep_s
        self._observe = observe
        self._running: set[asyncio.Task[None]] = set()

    def trace_of(self, asked: Trace) -> Trace:
        """Make the trace of a job's own record: it ends long after the request that asked for it."""
        trace = Trace(new_request_id(), asked.route, self._clock)
        trace.caller = asked.caller
        return trace

    async def start(self, commission: Commission) -> JobState:
        """Begin a job whose request was admitted."""
        caller, now = commission.trace.caller, self._clock.wall()
        assert caller is not None
        job = JobState(
            id="job_" + new_request_id().partition("_")[2],
            account_id=caller.account.id,
            model=commission.model.id,
            created=int(now),
            expires_at=int(now + self._images.policy.deadline_s + self._keep_s),
        )
        try:
            await self._store.save(job)
        except BaseException:
            commission.settlement.abandon()
            raise
        task = asyncio.get_running_loop().create_task(self._run(job, commission), name=job.id)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return job

    async def find(self, job_id: str, caller: Caller) -> JobState:
        """Find a job of the caller's own account. Raises `NotFound`."""
        job = await self._store.find(job_id)
        if job is None or job.account_id != caller.account.id:
            raise NotFound("There is no such job; a finished one is deleted after a while.")
        if job.expires_at <= self._clock.wall():
            return _expired(job)
        return job

    async def show(self, job: JobState, sink: Sink) -> None:
        """Send a job that has ended, with its pictures."""
        with self._images.held.open() as holding:
            await holding.take(sum(each.size for each in job.pictures if not each.url))
            found = [None if each.url else await self._vault.load(each.name) for each in job.pictures]
            if any(data is None and not each.url for data, each in zip(found, job.pictures, strict=True)):
                job = _expired(job)
            items = [(data, each.url, each.revised_prompt) for data, each in zip(found, job.pictures, strict=False)]
            head = render_job(job)
            parts = render_job_reply(head, items) if job.status == "completed" else [encode(head)]
            await send_reply(sink, parts, self._images.held, lambda: None)

    async def aclose(self) -> None:
        """End every job; each is kept as failed."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(set(self._running))

    async def _run(self, job: JobState, commission: Commission) -> None:
        job = replace(job, status="running")
        beat = asyncio.get_running_loop().create_task(self._beat(job.id))
        try:
            await settled(commission.settlement, lambda: self._make(job, commission), _restarting)
        except GatewayError as error:
            await self._fail(job, error)
        except asyncio.CancelledError:
            await self._fail(job, _restarting())
            raise
        except Exception as fault:  # noqa: BLE001 - the outermost edge of a job: a fault of ours fails it visibly
            _LOG.error("job_crashed", job=job.id, error=type(fault).__name__)
            await self._fail(job, ServerError("The gateway failed."))
        finally:
            beat.cancel()
            self._observe(commission.trace)

    async def _make(self, job: JobState, commission: Commission) -> None:
        await self._store.save(job)
        with self._images.held.open() as holding:
            made = await self._images.make(commission, holding)
            pictures = [await self._keep(each, with_url=wants_urls(commission, made)) for each in made.pictures]
        expires_at = int(self._clock.wall() + self._keep_s)
        await self._store.save(replace(job, status="completed", expires_at=expires_at, pictures=tuple(pictures)))
        commission.settlement.succeed()

    async def _keep(self, made: MadePicture, *, with_url: bool) -> JobPicture:
        """Keep a result as a file of its own: the job's state stays small however often it is asked for."""
        name = await self._vault.keep(made.picture)
        url = await self._vault.address(name) if with_url else ""
        return JobPicture(name, len(made.picture.data), url, made.revised_prompt)

    async def _fail(self, job: JobState, error: GatewayError) -> None:
        failed = replace(job, status="failed", type=error.type, code=error.code, message=error.message)
        await self._store.save(failed)

    async def _beat(self, job_id: str) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            await self._store.beat(job_id)


def render_job(job: JobState) -> dict[str, object]:
    """Render a job but for its pictures (design section 5): a finished one is an images reply with more keys."""
    body: dict[str, object] = {
        "id": job.id,
        "object": "image.job",
        "status": job.status,
        "model": job.model,
        "created": job.created,
        "expires_at": job.expires_at,
    }
    if job.status == "failed":
        body["error"] = {"message": job.message, "type": job.type, "code": job.code}
    return body


def _expired(job: JobState) -> JobState:
    return replace(job, status="expired", pictures=(), code="", type="", message="")


def _restarting() -> GatewayError:
    return ProviderUnavailable(
        "The server was restarted before the job was done; send it again.", code="restarting", retry_after_s=2
    )
