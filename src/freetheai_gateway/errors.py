"""Every error a client can be shown, as one tree.

    GatewayError                      status, type and code of design section 5
    ├── InvalidRequest          400   the caller must change the request
    │   ├── ContextLengthExceeded     as the upstream said
    │   └── ContentPolicyViolation    as the upstream said
    ├── Unauthenticated         401
    ├── AccessDenied            403   tier or account state
    ├── NotFound                404
    ├── MethodNotAllowed        405
    ├── RequestTimeout          408   the body did not arrive
    ├── RequestTooLarge         413
    ├── LimitExceeded           429   rate, concurrency or daily limit, with where it stands
    ├── ClientCanceled          499   only in logs, records and metrics
    ├── ServerError             500   ours
    ├── ProviderError           502
    ├── ProviderUnavailable     503
    └── ProviderTimeout         504

The text of an error is shown to the caller as it is: it never holds a key, an upstream address or a prompt.
`dialects/*/errors.py` renders any of them; nothing else decides a status or a type.
"""

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

FAR_AWAY_S = 60.0
"""A wait longer than this is announced with `x-should-retry: false`: SDKs otherwise sleep for as long as told."""


_FLOAT_DUST_S = 0.001


def whole_seconds(seconds: float) -> int:
    """Round a wait up to whole seconds; what is over by less than a millisecond is floating-point dust."""
    return max(0, ceil(seconds - _FLOAT_DUST_S))


class GatewayError(Exception):
    """Base: `message` is the sentence for the caller, `code` the stable rule name (default: the type)."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        retry_is_useless: bool = False,
        details: Mapping[str, object] | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.type
        self.param = param
        self.retry_after_s = retry_after_s
        """Seconds until a retry may help; sent as whole seconds, rounded up, with every 429 and 503."""
        self.retry_is_useless = retry_is_useless
        self.details = details or {}
        """Extra keys of the envelope, such as `limit` and `used`."""
        self.headers = headers
        """Further headers, such as the limit headers of a refusal or `allow` of a 405."""

    @property
    def should_not_retry(self) -> bool:
        """Whether SDKs must be told not to wait: useless, or longer than `FAR_AWAY_S`."""
        return self.retry_is_useless or (self.retry_after_s is not None and self.retry_after_s > FAR_AWAY_S)


class InvalidRequest(GatewayError):
    """The request can't be served as it stands."""

    status = 400
    type = "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    """The upstream says the conversation is longer than the model's context window."""

    type = "context_length_exceeded"


class ContentPolicyViolation(InvalidRequest):
    """The upstream refused the content."""

    type = "content_policy_violation"


class Unauthenticated(GatewayError):
    """No key, an incomplete key, or one that is unknown or revoked."""

    status = 401
    type = "invalid_api_key"


class AccessDenied(GatewayError):
    """The key is good; the account's tier or state is not enough."""

    status = 403
    type = "model_access_denied"


class ReadOnlyKey(AccessDenied):
    """The key alone may look at the account and not change it."""

    type = "read_only_key"


class AccountPaused(AccessDenied):
    """An operator suspended the account."""

    type = "user_paused"


class CheckInRequired(AccessDenied):
    """The account has not checked in today."""

    type = "daily_checkin_required"


class MembershipRequired(AccessDenied):
    """The account's owner left the Discord server."""

    type = "discord_membership_required"


class NotFound(GatewayError):
    """No such route, model page or job."""

    status = 404
    type = "not_found_error"


class MethodNotAllowed(GatewayError):
    """The path exists, the method does not."""

    status = 405
    type = "invalid_request_error"


class RequestTimeout(GatewayError):
    """The body stopped arriving."""

    status = 408
    type = "invalid_request_error"


class RequestTooLarge(GatewayError):
    """The body is over `server.max_body_bytes`."""

    status = 413
    type = "request_too_large"


class HeadersTooLarge(GatewayError):
    """The head of the request is over the edge's cap."""

    status = 431
    type = "request_too_large"


class LimitExceeded(GatewayError):
    """A limit of the account's tier said no; the base of the three 429s, each with its own type."""

    status = 429
    type = "rate_limit_error"


class ConcurrencyExceeded(LimitExceeded):
    """As many requests run as the tier allows."""

    type = "concurrency_limit_error"


class DailyLimitExceeded(LimitExceeded):
    """The day's answers are used up."""

    type = "daily_limit_error"


class ClientCanceled(GatewayError):
    """The client left before the end; nobody is there to read it."""

    status = 499
    type = "client_canceled"


class ServerError(GatewayError):
    """Our fault; the message holds the request id and no detail."""

    status = 500
    type = "server_error"


class ProviderError(GatewayError):
    """The upstream failed or answered something that is no answer."""

    status = 502
    type = "provider_error"


class ProviderUnavailable(GatewayError):
    """Every upstream of the model is cooling down, full or spent, or none is set up."""

    status = 503
    type = "provider_unavailable"


class MembershipUnknown(ProviderUnavailable):
    """Discord could not be asked for too long who is in the server: nobody's fault who calls."""

    type = "discord_membership_error"


class ProviderTimeout(GatewayError):
    """The upstream did not answer in time."""

    status = 504
    type = "provider_timeout"


KNOWN_CODES = frozenset(
    {
        "client_canceled",
        "concurrency",
        "concurrency_limit_error",
        "configuration_invalid",
        "content_policy_violation",
        "context_length_exceeded",
        "csrf",
        "daily_checkin_required",
        "daily_limit_error",
        "database_unavailable",
        "daily_requests",
        "discord_membership_error",
        "discord_membership_required",
        "discord_unavailable",
        "image_too_large",
        "image_url_not_supported",
        "invalid_admin_token",
        "invalid_api_key",
        "invalid_image",
        "invalid_json",
        "invalid_request_error",
        "invalid_multipart",
        "invalid_type",
        "method_not_allowed",
        "invalid_value",
        "login_failed",
        "login_refused",
        "mask_not_supported",
        "missing_required_parameter",
        "model_access_denied",
        "model_not_found",
        "model_not_supported",
        "model_retired",
        "no_account",
        "not_an_operator",
        "not_configured",
        "not_found_error",
        "overloaded",
        "provider_error",
        "provider_timeout",
        "provider_unavailable",
        "rate_limit_error",
        "read_only_key",
        "refusals",
        "refused",
        "request_too_large",
        "requests_per_minute",
        "restarting",
        "route_not_supported",
        "server_error",
        "signed_out",
        "tokens_per_minute",
        "unknown_keys",
        "user_paused",
    }
)
"""Every code that the gateway itself gives. Others come from upstreams and never become a metric's label."""
