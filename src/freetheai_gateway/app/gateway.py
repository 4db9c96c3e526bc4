"""The whole gateway of one process: adapters made from the settings, services over them, one ASGI callable.

`Gateway.open` starts everything in the order of need, `close` ends it in the reverse order.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Self

from freetheai_gateway.app.dialects import CLIENTS, UPSTREAMS
from freetheai_gateway.app.discord import Desk
from freetheai_gateway.app.offers import LOCAL_API, build_offer
from freetheai_gateway.app.reload import changes, merge, needs_restart
from freetheai_gateway.app.routes import Services, build_routes
from freetheai_gateway.clock import Clock, SystemClock, utc_day
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.log import get_log, request_logger
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.completions import Completions
from freetheai_gateway.services.count_tokens import TokenCounter
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.dispatch import Dispatcher
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import StoreUnavailable
from freetheai_gateway.settings.catalogue import Provider as ProviderSettings
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.changes import ChangeFeed
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.journal import Journal, JournalSettings
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.upstream.http1 import Http1Client
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
from freetheai_gateway.upstream.llamacpp.supervisor import LocalModel
from freetheai_gateway.web.asgi import GatewayASGI
from freetheai_gateway.web.cors import CrossOrigin
from freetheai_gateway.web.metrics import Gauges
from freetheai_gateway.web.operators import OperatorGate
from freetheai_gateway.web.pages.site import Promise
from freetheai_gateway.web.routes import Router

PRUNE_EVERY_S = 3_600.0
FIRST_PRUNE_AFTER_S = 60.0


class Gateway:
    """Everything that runs. `asgi` answers requests as soon as `open` has returned, the local model or not."""

    def __init__(self, settings: Settings, database: Database, journal: Journal, clock: Clock) -> None:
        self.settings = settings
        self._database = database
        self._journal = journal
        self._clock = clock
        self._log = get_log("gateway")
        self._running = AsyncExitStack()
        self.local_models = {
            provider.name: _local_model(provider) for provider in settings.providers if provider.api == LOCAL_API
        }
        self.accounts = SqlAccounts(database)
        self._usage = SqlUsage(database)
        self._feed = ChangeFeed(database)
        self.limiter = MemoryLimiter(clock)
        self._client = Http1Client()
        self.directory = Directory(build_offer(settings, self.local_models))
        self.authenticator = Authenticator(self.accounts, self.directory)
        self._feed.subscribe(self.authenticator.forget)
        self._desk = Desk.of(settings.discord, database, self.directory, client=self._client, clock=clock)
        self._lanes = LaneBuilder(CLIENTS, UPSTREAMS)
        self._dispatcher = Dispatcher(self._client, self._lanes, clock)
        self._admission = Admission(self.limiter, RefusalGuard(), clock)
        self.completions = Completions(self.directory, self._admission, self._dispatcher, journal)
        health = settings.health
        self._metrics = Metrics()
        self._observer = Observer(
            self._metrics, Thresholds(health.minimum_requests, health.degraded_from, health.down_from), clock
        )

    @classmethod
    async def open(cls, settings: Settings, *, clock: Clock | None = None) -> Self:
        """Create or migrate the database, replay what a killed process left, and start the background work.

        Raises `store.errors.StoreFailed` where the database or the journal can't be used.
        """
        database = await Database.open(
            StoreSettings(url=settings.database.url, durable=settings.journal.fsync), create=True
        )
        journal = Journal.open(
            JournalSettings(directory=settings.journal.directory, fsync=settings.journal.fsync), SqlUsage(database)
        )
        gateway = cls(settings, database, journal, clock or SystemClock())
        await gateway._start()
        return gateway

    def asgi(self, is_draining: Callable[[], bool]) -> GatewayASGI:
        """Build the ASGI callable; `is_draining` is what `/readyz` asks."""
        settings = self.settings
        services = Services(
            directory=self.directory,
            authenticator=self.authenticator,
            completions=self.completions,
            token_counter=TokenCounter(
                self.directory,
                self._admission,
                self._client,
                CLIENTS[DialectName.ANTHROPIC_MESSAGES],
                self._clock,
            ),
            observer=self._observer,
            lanes=self._lanes,
            metrics=self._metrics,
            gauges=self._gauges(),
            usage=self._usage,
            clock=self._clock,
            gate=OperatorGate(settings.metrics.token),
            is_draining=is_draining,
            max_body_bytes=settings.server.max_body_bytes,
            promise=Promise(settings.usage.raw_days, settings.usage.rollup_days, settings.images.keep_s),
        )
        table = build_routes(services)
        return GatewayASGI(
            Router(table.api + table.pages + ([] if self._desk is None else self._desk.routes(OpenAIChat()))),
            OpenAIChat(),
            self._clock,
            get_log("web"),
            request_logger(settings.log.format, flush_soon=_at_the_end_of_this_turn),
            observer=self._observer,
            cross_origin=CrossOrigin(settings.server.cors_origins),
            keepalive_s=settings.server.timeouts.keepalive_comment_s,
            lost=table.lost,
        )

    def _gauges(self) -> Gauges:
        return {
            "freetheai_open_streams": (
                "Streams that are open now.",
                (),
                lambda: {(): self.completions.open_streams},
            ),
            "freetheai_upstream_in_flight": (
                "Calls to upstreams that run now.",
                ("provider",),
                lambda: {(name,): count for name, count in self.directory.offer.fleet.in_flight().items()},
            ),
            "freetheai_journal_pending_records": (
                "Usage records that are not in the database yet.",
                (),
                lambda: {(): self._journal.pending},
            ),
            "freetheai_limits_backend_up": ("Whether limits are counted where they should be.", (), lambda: {(): 1}),
        }

    async def reload(self, read: Settings) -> None:
        """Swap what is on offer for a new configuration's; requests that run keep the old one.

        Embedded models that are new are started before the swap, those that are gone are stopped after it.
        """
        running = self.settings
        for place in needs_restart(running, read):
            self._log.warning("not_reloaded", where=place, hint="restart the gateway to change it")
        settings = merge(running, read)
        changed = changes(running, settings)
        old_models = self.local_models
        self.local_models = {
            provider.name: old_models[provider.name] if provider in running.providers else _local_model(provider)
            for provider in settings.providers
            if provider.api == LOCAL_API
        }
        for model in self.local_models.values():
            await model.start()
        self.settings = settings
        self.directory.offer = build_offer(settings, self.local_models, self.directory.offer.fleet)
        await self._restore_daily_counts()
        self._log.info("reloaded", **changed)
        for name, model in old_models.items():
            if self.local_models.get(name) is not model:
                await model.stop()

    async def close(self) -> None:
        """End what `open` started; records that are still in the journal go into the database."""
        await self._running.aclose()

    async def _start(self) -> None:
        running = self._running
        running.push_async_callback(self._database.close)
        running.push_async_callback(self._journal.close)
        await self._journal.drain_once()
        await self._restore_daily_counts()
        self._supervise("journal", self._journal.run)
        running.push_async_callback(self._feed.close)
        self._supervise("change_feed", self._feed.run)
        self._supervise("retention", self._keep_retention)
        running.push_async_callback(self._client.aclose)
        if self._desk is not None:
            running.push_async_callback(self._desk.close)
            self._supervise("key_desk", self._desk.run)
        running.push_async_callback(self._stop_local_models)
        for model in self.local_models.values():
            await model.start()

    async def _keep_retention(self) -> None:
        """Delete old records once an hour; a database that is away is tried again an hour later."""
        keep = self.settings.usage
        pause_s = FIRST_PRUNE_AFTER_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = PRUNE_EVERY_S
            try:
                deleted = await self._usage.prune(
                    self._clock.wall(), raw_days=round(keep.raw_days), rollup_days=round(keep.rollup_days)
                )
            except StoreUnavailable as error:
                self._log.warning("retention_failed", error=type(error).__name__)
            else:
                self._log.debug("retention", deleted_rows=deleted)

    async def _stop_local_models(self) -> None:
        for model in self.local_models.values():
            await model.stop()

    async def _restore_daily_counts(self) -> None:
        """Go on counting where the last process stopped; only where a tier has a daily cap at all."""
        if any(tier.limits.daily_requests is not None for tier in self.directory.offer.catalogue.tiers):
            day = utc_day(self._clock.wall())
            self.limiter.restore_day(day, await self._usage.successes_on(day))

    def _supervise(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run background work until `close`; work that ends by itself is a fault and is logged."""
        task = asyncio.get_running_loop().create_task(work(), name=name)
        task.add_done_callback(self._report_end)
        self._running.push_async_callback(_end, task)

    def _report_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            error = task.exception()
            self._log.error("background_work_ended", work=task.get_name(), error=type(error).__name__)


def _at_the_end_of_this_turn(flush: Callable[[], None]) -> bool:
    asyncio.get_running_loop().call_soon(flush)
    return True


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _local_model(provider: ProviderSettings) -> LocalModel:
    settings = LocalModelSettings(
        model_path=provider.model_path,
        # The demonstration model rambles to the end of its context; an operator's own model has its own cap.
        default_output_tokens=None if provider.model_path else LocalModelSettings().default_output_tokens,
        context_window=provider.context_window,
        threads=provider.threads or None,
    )
    return LocalModel(settings, get_log("local_model"))
