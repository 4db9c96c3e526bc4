"""What an upstream did instead of answering, as one value that the rules (`domain/outcomes.py`) can look up."""

import msgspec

HTTP = "http"
"""An answer with an HTTP status that is not 200."""
MALFORMED = "malformed"
"""What came is no reply of the dialect, or ended before it was one."""
ERROR_IN_REPLY = "error_in_reply"
"""The reply has a good status and says in its body, or in its events, that it failed."""


class Mishap(msgspec.Struct, frozen=True, gc=False):
    """How one call failed.

    `what` is one of the words above, or the word of a transport failure such as `refused` and `head_timeout`.
    `sent` says whether a byte of the request left; `retry_after_s` is what the upstream asked to wait, `None` where it
    asked nothing. `callers_fault` is decided by the reader of the error's body: the request itself is refused.
    """

    what: str
    status: int = 0
    code: str = ""
    sent: bool = True
    callers_fault: bool = False
    retry_after_s: float | None = None
