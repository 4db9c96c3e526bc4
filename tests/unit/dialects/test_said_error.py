"""An error inside a 200 is as good as the status that would have said the same."""

import pytest

from freetheai_gateway.dialects.protocol import anew
from freetheai_gateway.dialects.said_error import said_error

SAID = [
    (b'{"error":{"message":"slow down","code":429}}', 429),
    (b'{"error":{"message":"slow down","code":"429"}}', 429),
    (b'{"error":{"message":"x","code":"rate_limit_exceeded","type":"requests"}}', 429),
    (b'{"error":{"message":"x","code":null,"type":"insufficient_quota"}}', 402),
    (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', 529),
    (b'{"type":"error","error":{"type":"authentication_error","message":"x"}}', 401),
    (b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}', 429),
    (b'{"error":{"code":"x","status":"UNAVAILABLE"}}', 503),
    (b'[{"error":{"code":503,"message":"x"}}]', 503),
    (b'{"code":"rate_limit_exceeded","message":"x"}', 429),
    (b'{"error":{"message":"boom","type":"server_error"}}', 0),
    (b'{"error":{"message":"boom","code":500}}', 0),
    (b'{"error":{"message":"boom","code":400,"type":"invalid_request_error"}}', 0),
    (b'{"error":{"code":true}}', 0),
    (b'{"error":{"code":42900000000000000000000000}}', 0),
    ('{"error":{"code":"٤٢٩"}}'.encode(), 0),
    (b'{"error":{"code":[429],"type":{}}}', 0),
    (b'{"error":"rate limit"}', 0),
    (b"[" * 10_000, 0),
    (b"", 0),
]


@pytest.mark.parametrize(("data", "status"), SAID, ids=range(len(SAID)))
def test_error_when_it_names_what_it_is_then_it_stands_for_that_status(data: bytes, status: int) -> None:
    """A number or a word; whatever else it is, it is no more than a failure, and reading it never fails."""
    fault = said_error(data, "why")
    assert (fault.status, str(fault)) == (status, "why")
    again = anew(fault)
    assert (getattr(again, "status", None), str(again)) == (status, "why")
