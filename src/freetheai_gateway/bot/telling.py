"""Words in the place of "thinking…": what a member is told when the work behind a first answer is over."""

import asyncio

from freetheai_gateway.bot.answers import content
from freetheai_gateway.log import Log
from freetheai_gateway.services.key_desk.jobs import LAST_WORDS_S
from freetheai_gateway.services.key_desk.ports import DeliveryFailed, Replies


class Teller:
    """Tells by an interaction's token; where even that fails nobody is left to be told, and it is logged."""

    def __init__(self, replies: Replies, log: Log) -> None:
        self._replies = replies
        self._log = log

    async def tell(self, token: str, text: str) -> None:
        """End the waiting of the member with words."""
        try:
            await self._replies.edit(token, content(text))
        except DeliveryFailed as failed:
            self._log.warning("discord_reply_failed", discord_code=failed.code)

    async def last_words(self, token: str, text: str) -> None:
        """Tell a member whose wait ends with the gateway, if that is quick."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.tell(token, text)
        except TimeoutError:
            self._log.warning("discord_reply_failed", discord_code=0)
