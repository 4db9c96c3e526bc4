"""/generate: the command, the wait, and the picture or the reason why there is none."""

import asyncio

from freetheai_gateway.bot import words
from freetheai_gateway.bot.answers import content, defer, plain
from freetheai_gateway.bot.payload import Data, Resolved
from freetheai_gateway.bot.reply import Answered
from freetheai_gateway.bot.telling import Teller
from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import encode
from freetheai_gateway.log import Log
from freetheai_gateway.services.key_desk.gates import Refused
from freetheai_gateway.services.key_desk.pictures import Attachment, Drawn, PictureDesk, Wish
from freetheai_gateway.services.key_desk.ports import DeliveryFailed, DeskStore, Replies, Upload
from freetheai_gateway.services.ports import StoreFailed

LONGEST_PROMPT = 1_000
_LONGEST_ALT_TEXT = 1_024
_SHOWN_OF_A_PROMPT = 300
_MEGABYTE = 1_048_576


class Drawing:
    """The first answer defers, public or not as the member wants; it always becomes a picture or a reason."""

    def __init__(self, pictures: PictureDesk, store: DeskStore, replies: Replies, clock: Clock, log: Log) -> None:
        self._pictures = pictures
        self._store = store
        self._replies = replies
        self._teller = Teller(replies, log)
        self._clock = clock
        self._log = log

    def complete(self, search: str) -> list[str]:
        """List the models that the member may mean, from memory."""
        return [model.id for model in self._pictures.models() if search.strip().lower() in model.id.lower()]

    async def called(self, interaction_id: str, token: str, data: Data, caller: Caller | None, limit: int) -> Answered:
        """Answer the command. `limit` is the most bytes that Discord takes in a file here. Raises `Refused`."""
        wish = _wish_of(data)
        if caller is None:
            raise Refused("You have no key yet. Run /signup to get one.")
        first = encode(defer(is_public=_is_public(data)))
        known = await self._store.begin_interaction(interaction_id, self._clock.wall(), first)
        if known is not None:
            return Answered(known)
        return Answered(first, lambda: self._draw(wish, caller, token, limit))

    async def _draw(self, wish: Wish, caller: Caller, token: str, limit: int) -> None:
        try:
            drawn = await self._pictures.draw(wish, caller)
        except GatewayError as error:
            await self._teller.tell(token, plain(error.message, words.LONGEST_REASON))
        except StoreFailed:
            await self._teller.tell(token, words.BUSY)
        except asyncio.CancelledError:
            await self._teller.last_words(token, words.STOPPED)
            raise
        except Exception:
            await self._teller.tell(token, words.FAILED)
            raise
        else:
            await self._show(drawn, wish, token, limit)

    async def _show(self, drawn: Drawn, wish: Wish, token: str, limit: int) -> None:
        picture = drawn.picture
        if len(picture.data) > limit:
            size, most = len(picture.data) / _MEGABYTE, limit / _MEGABYTE
            text = f"The picture has {size:.1f} MiB and Discord takes {most:.1f} MiB here. Ask for a smaller size."
            await self._teller.tell(token, text)
            return
        text = f"{plain(drawn.model)}: {plain(wish.prompt, _SHOWN_OF_A_PROMPT)}"
        alt = wish.prompt[:_LONGEST_ALT_TEXT]
        upload = Upload(f"picture.{picture.extension}", picture.media_type, picture.data, alt)
        try:
            await self._replies.edit(token, content(text, shows_embeds=True), upload)
        except DeliveryFailed as failed:
            self._log.warning("discord_picture_not_delivered", discord_code=failed.code)
            await self._teller.tell(token, words.NOT_SHOWN)


def _wish_of(data: Data) -> Wish:
    """Read the options, which are validated again whatever Discord's client promised. Raises `Refused`."""
    given = {option.name: option.value for option in data.options}
    prompt, model, size = (given.get(name) or "" for name in ("prompt", "model", "size"))
    if not (isinstance(prompt, str) and isinstance(model, str) and isinstance(size, str)):
        raise Refused(words.OUTDATED)
    if not 0 < len(prompt.strip()) <= LONGEST_PROMPT:
        raise Refused(f"Say what is to be drawn, in at most {LONGEST_PROMPT} characters.")
    reference = given.get("reference")
    if reference is None:
        return Wish(prompt, model.strip(), size)
    attachments = (data.resolved or Resolved()).attachments
    attached = attachments.get(reference) if isinstance(reference, str) else None
    if attached is None:
        raise Refused(words.OUTDATED)
    return Wish(prompt, model.strip(), size, Attachment(attached.url, attached.size))


def _is_public(data: Data) -> bool:
    return any(option.name == "public" and option.value is True for option in data.options)
