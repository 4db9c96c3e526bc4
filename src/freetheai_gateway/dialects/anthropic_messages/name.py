"""The dialect's own name, as it stands in neutral values."""

from typing import Final

from freetheai_gateway.dialects.protocol import DialectName

MESSAGES: Final[str] = DialectName.ANTHROPIC_MESSAGES.value
