"""`/playground`: trying a model in the browser, with the reader's own key, which never leaves it but for the API."""

from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.query import MAX_PAGE_FIELDS, read_fields
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response


class PlaygroundPage:
    """The page is a form; the script on it speaks to the same API as every client."""

    def __init__(self, frame: Frame, directory: Directory) -> None:
        self._frame = frame
        self._directory = directory

    async def show(self, request: Request, response: Response) -> None:
        """Answer `GET /playground?model=…`."""
        models = [model for model in self._directory.offer.catalogue.models.values() if not model.retired]
        values = {
            "chat_models": _of_kind(models, "chat"),
            "image_models": _of_kind(models, "image"),
            "chosen": read_fields(request.query, MAX_PAGE_FIELDS).get("model", ""),
        }
        await self._frame.send(request, response, "playground.html", values)


def _of_kind(models: list[Model], kind: str) -> list[Model]:
    return [model for model in models if model.kind == kind]
