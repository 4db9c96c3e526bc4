"""Looking after upstreams that are left alone: a cheap call tells whether to try them, before a member's request does.

Off by default (`pools.check_s = 0`): requests try by themselves. With checks, an upstream whose breaker is open, and a
key that rests, is asked for a list of models. One that does not answer stays left alone, one that does is tried next.
"""

import asyncio
from http import HTTPStatus

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.fleet import Key, ProviderState
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.ports import Provider, Readiness, UpstreamClient, UpstreamFailed

CHECKED_AT_ONCE = 8
_KEY_IS_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})


class Checks:
    """Checks what is left alone, round after round."""

    def __init__(self, directory: Directory, client: UpstreamClient, clock: Clock) -> None:
        self._directory = directory
        self._client = client
        self._clock = clock
        self._slots = asyncio.Semaphore(CHECKED_AT_ONCE)

    async def run(self) -> None:
        """Check for ever, at the pace of the configuration that holds."""
        while True:
            pace_s = self._directory.offer.policy.check_s
            await asyncio.sleep(pace_s or 1.0)
            if pace_s:
                await self.check_once()

    async def check_once(self) -> None:
        """Check every provider of which something is left alone."""
        offer = self._directory.offer
        async with asyncio.TaskGroup() as tasks:
            for state in offer.fleet.providers.values():
                provider = offer.providers[state.name]
                if provider.readiness() is Readiness.READY:
                    for key in state.keys:
                        if _needs_check(state, key):
                            tasks.create_task(self._check(provider, state, key))

    async def _check(self, provider: Provider, state: ProviderState, key: Key) -> None:
        request = provider.list_models(key.index)
        if request is None:
            return
        async with self._slots:
            try:
                reply = await self._client.send(request)
            except UpstreamFailed:
                self._take(state, key, None)
                return
            status = reply.status
            reply.close()
        self._take(state, key, status)

    def _take(self, state: ProviderState, key: Key, status: int | None) -> None:
        """Draw the conclusion from a status; `None` = no answer came."""
        now, policy = self._clock.monotonic(), self._directory.offer.policy
        if status == HTTPStatus.OK:
            if not key.gate.clear:
                key.gate.open()
        elif status in _KEY_IS_REFUSED:
            key.gate.shut(now, policy.dead_key_s, "refused")
        is_down = status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        for target in state.targets.values():
            if target.gate.clear:
                continue
            if is_down:
                target.gate.shut(now, policy.breaker_open_s, "check")
            else:
                target.gate.make_due(now)


def _needs_check(state: ProviderState, key: Key) -> bool:
    """Whether the key rests; for upstreams that are left alone the first key will do."""
    return not key.gate.clear or (key.index == 0 and any(not target.gate.clear for target in state.targets.values()))
