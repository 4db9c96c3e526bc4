"""The tree of errors: statuses, types and when a client is told not to wait."""

import pytest

from freetheai_gateway import errors
from freetheai_gateway.errors import GatewayError

TABLE = {
    errors.InvalidRequest: (400, "invalid_request_error"),
    errors.ContextLengthExceeded: (400, "context_length_exceeded"),
    errors.ContentPolicyViolation: (400, "content_policy_violation"),
    errors.Unauthenticated: (401, "invalid_api_key"),
    errors.AccessDenied: (403, "model_access_denied"),
    errors.AccountPaused: (403, "user_paused"),
    errors.CheckInRequired: (403, "daily_checkin_required"),
    errors.MembershipRequired: (403, "discord_membership_required"),
    errors.ReadOnlyKey: (403, "read_only_key"),
    errors.NotFound: (404, "not_found_error"),
    errors.MethodNotAllowed: (405, "invalid_request_error"),
    errors.RequestTimeout: (408, "invalid_request_error"),
    errors.RequestTooLarge: (413, "request_too_large"),
    errors.LimitExceeded: (429, "rate_limit_error"),
    errors.ConcurrencyExceeded: (429, "concurrency_limit_error"),
    errors.DailyLimitExceeded: (429, "daily_limit_error"),
    errors.HeadersTooLarge: (431, "request_too_large"),
    errors.ClientCanceled: (499, "client_canceled"),
    errors.ServerError: (500, "server_error"),
    errors.ProviderError: (502, "provider_error"),
    errors.ProviderUnavailable: (503, "provider_unavailable"),
    errors.MembershipUnknown: (503, "discord_membership_error"),
    errors.ProviderTimeout: (504, "provider_timeout"),
}


@pytest.mark.parametrize("kind", TABLE)
def test_error_has_the_status_and_type_of_the_table(kind: type[GatewayError]) -> None:
    """The code is the type where there is no finer word."""
    error = kind("What happened.")
    assert (error.status, error.type) == TABLE[kind]
    assert error.code == error.type
    assert str(error) == error.message == "What happened."


def test_table_holds_every_error_of_the_tree() -> None:
    """A new error needs a row here, and so a place in the contract."""
    tree = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)}
    assert tree - {GatewayError} == set(TABLE)


@pytest.mark.parametrize(
    ("retry_after_s", "useless", "told"),
    [(None, False, False), (60.0, False, False), (60.1, False, True), (1.0, True, True), (None, True, True)],
)
def test_error_when_a_wait_is_long_or_useless_then_clients_are_told_not_to_retry(
    retry_after_s: float | None, useless: bool, told: bool
) -> None:
    """SDKs otherwise sleep for as long as they are told."""
    error = errors.LimitExceeded("Wait.", retry_after_s=retry_after_s, retry_is_useless=useless)
    assert error.should_not_retry is told
