"""The whole gateway of one process: adapters made from the settings, services over them, one ASGI callable.

`Gateway.open` starts everything in the order of need, `close` ends it in the reverse order.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Self

from freetheai_gateway.app.admin import Admin, admin_routes, standings_of, unknown_key_budget
from freetheai_gateway.app.dialects import CLIENTS, UPSTREAMS
from freetheai_gateway.app.images import build_image_inputs, build_images
from freetheai_gateway.app.limits import build_backend, build_pools
from freetheai_gateway.app.login import build_sign_in
from freetheai_gateway.app.offers import LOCAL_API, build_offer
from freetheai_gateway.app.pools import pool_gauges, restore_budgets, standings
from freetheai_gateway.app.registration import Community, Desk
from freetheai_gateway.app.reload import Prepared, changed_fields, changes, merge, needs_restart
from freetheai_gateway.app.routes import Services, build_routes
from freetheai_gateway.app.surroundings import Surroundings
from freetheai_gateway.clock import Clock, SystemClock, utc_day
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.audit import HOLDER, SIGNAL
from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.domain.limits import Delivered
from freetheai_gateway.domain.standings import ProviderStanding
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.log import get_log, request_logger
from freetheai_gateway.metrics import Gauges, Metrics
from freetheai_gateway.outbox import Outbox
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.checks import Checks
from freetheai_gateway.services.completions import Completions
from freetheai_gateway.services.count_tokens import TokenCounter
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.dispatch import Dispatcher
from freetheai_gateway.services.key_desk.pictures import PictureDesk
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.own_account import OwnAccount
from freetheai_gateway.services.personal_data import PersonalData
from freetheai_gateway.services.ports import StoreUnavailable
from freetheai_gateway.services.reloading import Reload, ReloadOutcome, reload_entry
from freetheai_gateway.services.reports import NodeReports
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.services.upstream_states import UpstreamStates
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.audit import SqlAudit
from freetheai_gateway.store.changes import ChangeFeed
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.journal import Journal, JournalSettings
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.personal_data import SqlPersonalData
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.upstream.discord.attachments import DiscordFiles
from freetheai_gateway.upstream.http1 import Http1Client
from freetheai_gateway.web.admin.operations import Operations
from freetheai_gateway.web.asgi import GatewayASGI
from freetheai_gateway.web.cors import CrossOrigin
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.operators import OperatorGate
from freetheai_gateway.web.pages.site import Promise
from freetheai_gateway.web.routes import Route, Router
from freetheai_gateway.web.senders import TrustedProxies

PRUNE_EVERY_S = 3_600.0
FIRST_PRUNE_AFTER_S = 60.0


class Gateway:
    """Everything that runs. `asgi` answers requests as soon as `open` has returned, the local model or not."""

    def __init__(
        self, settings: Settings, database: Database, journal: Journal, clock: Clock, surroundings: Surroundings
    ) -> None:
        self.settings = settings
        self._make_model = surroundings.make_model
        self._database = database
        self._journal = journal
        self._clock = clock
        self._log = get_log("gateway")
        self._running = AsyncExitStack()
        self.local_models = {
            provider.name: surroundings.make_model(provider)
            for provider in settings.providers
            if provider.api == LOCAL_API
        }
        self.accounts = SqlAccounts(database)
        self._usage = SqlUsage(database)
        self._feed = ChangeFeed(database)
        self._limits = build_backend(settings, clock)
        self.limiter = self._limits.limiter
        self.outbox = Outbox(asyncio.get_running_loop().call_soon, before=journal.flush)
        self._client = Http1Client(outbox=self.outbox)
        self.directory = Directory(build_offer(settings, self.local_models, client=self._client))
        self._pools = build_pools(settings, lambda: self.directory.offer.fleet, clock)
        self.authenticator = Authenticator(self.accounts, self.directory, budget=unknown_key_budget(clock))
        self._feed.subscribe(self.authenticator.forget)
        discord = surroundings.discord or self._client
        self._community = Community.of(settings.discord, database, client=discord, clock=clock)
        self._sign_in = None
        if self._community is not None:
            self._sign_in = build_sign_in(
                settings, database, self.directory, self._community.membership, client=discord, clock=clock
            )
        self._personal = PersonalData(self.accounts, SqlPersonalData(database), clock, HOLDER)
        self._lanes = LaneBuilder(CLIENTS, UPSTREAMS)
        self._dispatcher = Dispatcher(self._client, self._lanes, clock, build_image_inputs(settings))
        watch = None if self._community is None else self._community.watch
        self._admission = Admission(self.limiter, RefusalGuard(), clock, watch)
        self.completions = Completions(self.directory, self._admission, self._dispatcher, journal)
        self._images = build_images(
            settings, self.directory, self._admission, journal, clock=clock, observe=self._observe
        )
        self.desk = None
        if self._community is not None:
            pictures = PictureDesk(self._images.images, self.directory, DiscordFiles(discord), clock, self._observe)
            self.desk = Desk(self._community, database, self.directory, clock=clock, pictures=pictures)
        health = settings.health
        self._metrics = Metrics()
        self._observer = Observer(
            self._metrics, Thresholds(health.minimum_requests, health.degraded_from, health.down_from), clock
        )
        self._reports = NodeReports(self._metrics, self._gauges(), self._observer, surroundings.siblings)

    @classmethod
    async def open(
        cls, settings: Settings, *, clock: Clock | None = None, surroundings: Surroundings | None = None
    ) -> Self:
        """Create or migrate the database, replay what a killed process left, and start the background work.

        Raises `store.errors.StoreFailed` where the database or the journal can't be used.
        """
        database = await Database.open(
            StoreSettings(url=settings.database.url, durable=settings.journal.fsync), create=True
        )
        journal = Journal.open(
            JournalSettings(directory=settings.journal.directory, fsync=settings.journal.fsync),
            SqlUsage(database),
            flush_soon=asyncio.get_running_loop().call_soon,
        )
        gateway = cls(settings, database, journal, clock or SystemClock(), surroundings or Surroundings())
        await gateway._start()
        return gateway

    def asgi(self, is_draining: Callable[[], bool], reload: Reload) -> GatewayASGI:
        """Build the ASGI callable; `is_draining` is what `/readyz` asks, `reload` what the admin API calls."""
        settings = self.settings
        services = Services(
            directory=self.directory,
            authenticator=self.authenticator,
            completions=self.completions,
            images=self._images,
            token_counter=TokenCounter(
                self.directory,
                self._admission,
                self._client,
                CLIENTS[DialectName.ANTHROPIC_MESSAGES],
                self._clock,
            ),
            observer=self._observer,
            lanes=self._lanes,
            reports=self._reports,
            usage=self._usage,
            clock=self._clock,
            gate=OperatorGate(settings.metrics.token),
            is_draining=is_draining,
            max_body_bytes=settings.server.max_body_bytes,
            crowd=Crowd(settings.server.max_requests, settings.server.max_held_bytes),
            own_account=OwnAccount(self.directory, self._usage, standings_of(self.limiter), self._clock),
            desk=AccountDesk(self.accounts, self._clock, HOLDER),
            personal=self._personal,
            sign_in=self._sign_in,
            replace_key=None if self.desk is None else self.desk.replace_key,
            has_admin_token=settings.server.admin_token is not None,
            promise=Promise(settings.usage.raw_days, settings.usage.rollup_days, settings.images.keep_s),
        )
        table = build_routes(services)
        return GatewayASGI(
            Router(table.api + table.pages + admin_routes(self._admin(reload)) + self._desk_routes()),
            OpenAIChat(),
            self._clock,
            get_log("web"),
            request_logger(settings.log.format, flush_soon=asyncio.get_running_loop().call_soon),
            observer=self._observer,
            cross_origin=CrossOrigin(settings.server.cors_origins),
            keepalive_s=settings.server.timeouts.keepalive_comment_s,
            complain=table.complain,
            proxies=TrustedProxies(settings.server.trusted_proxies),
        )

    def _observe(self, trace: Trace) -> None:
        self._observer.finished(trace)

    def _admin(self, reload: Reload) -> Admin:
        operations = Operations(
            accounts=self.accounts,
            audit=SqlAudit(self._database),
            usage=self._usage,
            directory=self.directory,
            standings=standings_of(self.limiter),
            upstreams=UpstreamStates(self.directory, self._clock),
            reload=reload,
            clock=self._clock,
        )
        has_operators = self._sign_in is not None and bool(self.settings.discord.operators)
        sessions = self._sign_in.gate if self._sign_in is not None and has_operators else None
        return Admin(self.settings.server.admin_token, operations, self.authenticator.forget, sessions)

    def upstreams(self) -> Sequence[ProviderStanding]:
        """Tell how every provider stands now."""
        return standings(self.directory, self._clock)

    def _desk_routes(self) -> list[Route]:
        return [] if self.desk is None else self.desk.routes(OpenAIChat())

    def _gauges(self) -> Gauges:
        return {
            **pool_gauges(self.directory, self._observer, self._clock),
            "freetheai_open_streams": (
                "Streams that are open now.",
                (),
                lambda: {(): self.completions.open_streams},
            ),
            "freetheai_journal_pending_records": (
                "Usage records that are not in the database yet.",
                (),
                lambda: {(): self._journal.pending},
            ),
            **self._discord_gauges(),
            "freetheai_limits_backend_up": (
                "Whether limits are counted where they should be.",
                (),
                lambda: {(): int(self._limits.up)},
            ),
        }

    def _discord_gauges(self) -> Gauges:
        community = self._community
        if community is None:
            return {}
        return {
            "freetheai_discord_refused_answers": (
                "Answers 401, 403 and 429 of Discord's API since the start; 10,000 in 10 minutes bring a ban.",
                (),
                lambda: {(): community.rest.refused},
            ),
            "freetheai_discord_members_waiting": (
                "Accounts whose membership is to be asked of Discord.",
                (),
                lambda: {(): community.watch.waiting},
            ),
        }

    def compare(self, read: Settings) -> ReloadOutcome:
        """Say what a reload of this configuration would change."""
        running, merged = self.settings, merge(self.settings, read)
        return ReloadOutcome(
            changed=changes(running, merged),
            fields=changed_fields(running, merged),
            needs_restart=needs_restart(running, read),
        )

    async def reload(self, read: Settings) -> ReloadOutcome:
        """Swap what is on offer for a new configuration's; requests that run keep the old one.

        Embedded models that are new are started before the swap, those that are gone are stopped after it.
        """
        outcome = self.compare(read)
        for place in outcome.needs_restart:
            self._log.warning("not_reloaded", where=place, hint="restart the gateway to change it")
        await self.adopt(self.prepare(read))
        self._log.info("reloaded", **outcome.changed)
        return outcome

    async def note_reload(self, outcome: ReloadOutcome) -> None:
        """Keep in the audit list what a reload by signal changed: an operator's act, as one over HTTP is."""
        entry = reload_entry(outcome, self._clock.wall(), SIGNAL)
        try:
            await SqlAudit(self._database).record(entry)
        except StoreUnavailable as error:
            self._log.warning("reload_not_in_audit", error=type(error).__name__, **outcome.changed)

    def prepare(self, read: Settings) -> Prepared:
        """Make what a new configuration needs, so that adopting it can't fail; nothing changes yet."""
        running = self.settings
        settings = merge(running, read)
        models = {
            provider.name: self.local_models[provider.name]
            if provider in running.providers
            else self._make_model(provider)
            for provider in settings.providers
            if provider.api == LOCAL_API
        }
        offer = build_offer(settings, models, self.directory.offer.fleet, client=self._client)
        return Prepared(settings, models, offer)

    async def adopt(self, prepared: Prepared) -> None:
        """Swap what is on offer; requests that run keep the old one."""
        old_models, self.local_models = self.local_models, dict(prepared.models)
        for model in self.local_models.values():
            await model.start()
        self.settings = prepared.settings
        self.directory.offer = prepared.offer
        await self._restore_daily_counts()
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
        await self._start_limits()
        await self._restore_daily_counts(must=True)
        await restore_budgets(self.directory, self._usage, self._clock)
        self._supervise("journal", self._journal.run)
        running.push_async_callback(self._feed.close)
        self._supervise("change_feed", self._feed.run)
        self._supervise("reports", self._reports.run)
        self._supervise("retention", self._keep_retention)
        running.push_async_callback(self._client.aclose)
        running.push_async_callback(self._images.jobs.aclose)
        self._supervise("image_files", self._images.files.sweep_for_ever)
        self._supervise("checks", Checks(self.directory, self._client, self._clock).run)
        running.push_async_callback(self._stop_local_models)
        if self.desk is not None:
            running.push_async_callback(self.desk.close)
            self._supervise("key_desk", self.desk.run)
        if self._community is not None:
            self._supervise("members", self._community.watch.run)
        for model in self.local_models.values():
            await model.start()

    async def _start_limits(self) -> None:
        """Connect to Redis, if that is where limits are counted; one that is away does not hinder the start."""
        redis, pools = self._limits.redis, self._pools
        if redis is not None and pools is not None:
            self._running.push_async_callback(pools.close)
            pools.listen()
            self._supervise("pools", pools.run)
            self._running.push_async_callback(redis.close)
            redis.watch(self._delivered_today, self._restore_daily_counts)
            self._supervise("limits", redis.run)
            await redis.tried.wait()
            await pools.tried.wait()

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
                await self._personal.sweep()
            except StoreUnavailable as error:
                self._log.warning("retention_failed", error=type(error).__name__)
            else:
                self._log.debug("retention", deleted_rows=deleted)

    async def _stop_local_models(self) -> None:
        for model in self.local_models.values():
            await model.stop()

    async def _restore_daily_counts(self, *, must: bool = False) -> None:
        """Go on counting where the last process, or Redis, stopped.

        A database that is away keeps a gateway from starting (`must`), and never ends one that runs.
        """
        delivered = await self._delivered_today(must=must)
        if delivered is not None:
            await self.limiter.restore_day(delivered)

    async def _delivered_today(self, *, must: bool = False) -> Delivered | None:
        """Read what counts against the caps of the day; `None` where no tier has one, or the ledger can't be read."""
        limits = [tier.limits for tier in self.directory.offer.catalogue.tiers]
        if all(of_tier.daily_requests is None and of_tier.images_per_day is None for of_tier in limits):
            return None
        try:
            return await self._usage.delivered_on(utc_day(self._clock.wall()))
        except StoreUnavailable as error:
            if must:
                raise
            self._log.warning("daily_counts_not_restored", error=type(error).__name__)
            return None

    def _supervise(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run background work until `close`; work that ends by itself is a fault and is logged."""
        task = asyncio.get_running_loop().create_task(work(), name=name)
        task.add_done_callback(self._report_end)
        self._running.push_async_callback(_end, task)

    def _report_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            error = task.exception()
            self._log.error("background_work_ended", work=task.get_name(), error=type(error).__name__)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
