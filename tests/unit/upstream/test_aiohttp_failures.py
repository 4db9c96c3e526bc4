"""Every error that aiohttp knows has a meaning here."""

from collections.abc import Iterator

import aiohttp
import pytest

from freetheai_gateway.services.ports import Failure, Phase
from freetheai_gateway.upstream.aiohttp_client import FAILURES, failure_of


def known(base: type[aiohttp.ClientError]) -> Iterator[type[aiohttp.ClientError]]:
    yield base
    for kind in base.__subclasses__():
        yield from known(kind)


def test_failures_when_aiohttp_knows_an_error_then_it_is_mapped_by_name() -> None:
    """A new release with a new error fails here and not at three in the morning."""
    assert {kind for kind in known(aiohttp.ClientError) if kind.__module__.startswith("aiohttp.")} == set(FAILURES)


def test_failure_when_the_error_is_of_a_newer_kind_then_the_nearest_known_kind_speaks() -> None:
    """Whatever comes is an `UpstreamFailed`."""

    class NewerError(aiohttp.ServerDisconnectedError):
        pass

    failed = failure_of(NewerError("https://user:secret@upstream.example"), Phase.SENT)
    assert (failed.failure, failed.phase) == (Failure.CLOSED, Phase.SENT)
    assert str(failed) == "closed in phase sent"


@pytest.mark.parametrize(
    ("error", "errno"),
    [(aiohttp.ClientOSError(104, "reset by secret.example"), 104), (aiohttp.ClientPayloadError("secret"), None)],
)
def test_failure_when_the_system_gave_a_number_then_it_stays_and_the_words_go(
    error: aiohttp.ClientError, errno: int | None
) -> None:
    """An error's text never leaves the adapter."""
    failed = failure_of(error, Phase.BODY)
    assert failed.errno == errno
    assert "secret" not in str(failed)
