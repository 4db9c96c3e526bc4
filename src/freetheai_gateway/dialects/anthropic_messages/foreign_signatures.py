"""Reasoning of other vendors in a history that goes to a Messages upstream as it came.

A client that was answered by another vendor's model sends its reasoning back under a minted signature
(`dialects.signatures`). Where the next answer comes from Anthropic, such a block would be refused.
"""

from freetheai_gateway.dialects.anthropic_messages.json_values import list_at
from freetheai_gateway.dialects.anthropic_messages.own_turns import write_own_message
from freetheai_gateway.dialects.anthropic_messages.read_request import read_turn
from freetheai_gateway.dialects.anthropic_messages.write_blocks import Writer
from freetheai_gateway.jsonc import Raw, encode_raw

_MINTED = b'"fta1.'


def without_foreign_reasoning(messages: Raw) -> Raw:
    """Leave out what another vendor signed; messages without it stay the bytes they are. Raises `InvalidRequest`."""
    if _MINTED not in bytes(messages):
        return messages
    writer = Writer(own=True, dropped=set())
    kept: list[object] = []
    for index, message in enumerate(list_at(messages, "messages")):
        if _MINTED not in bytes(message):
            kept.append(message)
        elif (written := write_own_message(read_turn(message, f"messages[{index}]"), writer)) is not None:
            kept.append(written)
    return encode_raw(kept)
