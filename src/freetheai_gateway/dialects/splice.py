"""Putting the alias in the place of the upstream's model name without re-encoding anything else.

Inside a JSON string every quote is escaped, so the bytes `"model":"name"` can only be a key and its value.
"""

import re

from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.jsonc import InvalidJSON, decode_str, encode, read_fields, write_fields

_MODEL = re.compile(rb'"model"(\s*:\s*)("(?:[^"\\]|\\.)*+")')


class ModelSplice:
    """Learns the bytes of the model's key and value once, then replaces them wherever they stand."""

    __slots__ = ("_alias", "_found", "_put")

    def __init__(self, alias: str) -> None:
        self._alias = encode(alias)
        self._found = b""
        self._put = b""

    def learn(self, data: bytes, model: str) -> bool:
        """Find where `model` stands in `data`; `False` where it does not (an escaped spelling of the key, say)."""
        usual = b'"model":' + encode(model)
        if usual in data:
            self._found, self._put = usual, b'"model":' + self._alias
            return True
        for match in _MODEL.finditer(data):
            if _decodes_to(match.group(2), model):
                self._found = match.group()
                self._put = b'"model"' + match.group(1) + self._alias
                return True
        return False

    def count(self, data: bytes) -> int:
        """Count the places that `apply` would replace."""
        return data.count(self._found) if self._found else 0

    def apply(self, data: bytes) -> bytes:
        """Replace what was learnt; nothing before anything was."""
        return data.replace(self._found, self._put) if self._found else data


def _decodes_to(literal: bytes, text: str) -> bool:
    try:
        return decode_str(literal) == text
    except InvalidJSON:
        return False


def with_top_level_model(body: bytes, model: str | None, alias: str) -> bytes:
    """Put the alias in the place of the top-level model name.

    Where its bytes stand once, they are replaced; where they do not or stand elsewhere too, the top level is
    written anew from the untouched bytes of its values. Raises `MalformedReply` for bytes that are not UTF-8, which a
    reader of some fields only does not see.
    """
    if model is None:
        return _written_anew(body, alias)
    usual = b'"model":' + encode(model)
    if body.count(usual) == 1:
        return body.replace(usual, b'"model":' + encode(alias))
    splice = ModelSplice(alias)
    if splice.learn(body, model) and splice.count(body) == 1:
        return splice.apply(body)
    return _written_anew(body, alias)


def _written_anew(body: bytes, alias: str) -> bytes:
    try:
        return write_fields(read_fields(body) | {"model": alias})
    except InvalidJSON:
        raise MalformedReply("the reply is not JSON in UTF-8") from None
