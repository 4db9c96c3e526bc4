"""The configuration as one frozen tree. What a key means and in which unit: `docs/configuration.md`.

Defaults stand here and nowhere else. Values are plain: `app` maps them to what each adapter needs.
"""

from pathlib import Path
from typing import Annotated, Literal

from freetheai_gateway.settings import forms
from freetheai_gateway.settings.catalogue import Alias, Family, Model, Provider, Tier
from freetheai_gateway.settings.kinds import (
    CountOrZero,
    CredentialIfSet,
    Duration,
    DurationOrZero,
    FilePath,
    Name,
    OptionalUrl,
    Port,
    Positive,
    Share,
    Table,
    Token,
)
from freetheai_gateway.settings.marks import Bounds, Form, MayBeMissing, NotEmpty, UnlessSet
from freetheai_gateway.settings.secret import Secret

ONE_HOUR_S = 3600
"""The privacy promise: stored images are gone after at most this long."""


class Site(Table, frozen=True, kw_only=True):
    """`[site]`: what the instance calls itself."""

    name: Name = "FreeTheAi"
    support_url: OptionalUrl = ""


class EdgeTimeouts(Table, frozen=True, kw_only=True):
    """`[server.timeouts]`: how long the edge waits for clients, in seconds."""

    header_s: Duration = 10.0
    """From the first byte of a request to the end of its head."""
    progress_s: Duration = 30.0
    """Without a byte of a body read, or of a reply taken."""
    idle_s: Duration = 60.0
    """Between two requests on one connection."""
    keepalive_comment_s: Duration = 15.0
    """Silence in a stream after which a comment is sent."""
    discard_s: DurationOrZero = 2.0
    """How long a refused body is read and thrown away, so that the client sees the refusal."""


class Server(Table, frozen=True, kw_only=True):
    """`[server]`: where the gateway listens. Not changed by a reload."""

    host: Annotated[str, Form(forms.host)] = "127.0.0.1"
    port: Port = 8000
    """0 = any free port."""
    workers: Positive = 1
    public_url: Annotated[str, Form(forms.public_url)] = ""
    """Without a slash at the end; after reading never empty: made of host and port where it is not set."""
    max_body_bytes: Annotated[int, Bounds(at_least=1024)] = 33_554_432
    max_requests: Positive = 5_000
    """Requests with a body that one process runs at once; above, 503 at once."""
    max_held_bytes: Annotated[int, Bounds(at_least=1024)] = 1 << 30
    """Bytes of all request bodies that one process holds; above, 503 before more is read."""
    trusted_proxies: tuple[Annotated[str, Form(forms.cidr)], ...] = ()
    cors_origins: tuple[Annotated[str, Form(forms.origin)], ...] = ("*",)
    admin_token: Annotated[CredentialIfSet, UnlessSet("env:FREETHEAI_ADMIN_TOKEN")] = None
    """`None`: the admin routes answer 404."""
    drain_timeout_s: DurationOrZero = 120.0
    shutdown_delay_s: DurationOrZero = 0.0
    timeouts: EdgeTimeouts = EdgeTimeouts()


class Database(Table, frozen=True, kw_only=True):
    """`[database]`. Not changed by a reload."""

    url: Annotated[Secret, Form(forms.database_url)] = Secret("sqlite:///freetheai.db")
    """After reading a path in it is absolute."""


class Limits(Table, frozen=True, kw_only=True):
    """`[limits]`: where counts are kept. `backend` is not changed by a reload."""

    backend: Annotated[Secret, Form(forms.limits_backend)] = Secret("memory")
    window_s: Duration = 60.0
    on_failure: Literal["local", "allow", "deny"] = "local"
    deadline_s: Duration = 0.5
    """How long Redis may take to answer before it counts as away."""


class Access(Table, frozen=True, kw_only=True):
    """`[access]`: what holds for every account unless its tier says otherwise."""

    daily_requests: CountOrZero = 0
    """Answers per account and UTC day; 0 = no cap."""
    concurrency_wait_s: DurationOrZero = 0.0
    check_in: bool = False
    default_tier: Positive = 1
    public_catalog: bool = False


class Pools(Table, frozen=True, kw_only=True):
    """`[pools]`: how failures of upstreams are met; times in seconds."""

    attempts: Positive = 3
    """How often one request is sent at most; 1 = never again."""
    deadline_s: Duration = 180.0
    """How long after its beginning a request may be sent again."""
    backoff_s: DurationOrZero = 0.1
    retry_share: Share = 0.5
    """Repeats as a share of the requests for a model, beyond `retry_burst` at once."""
    retry_burst: CountOrZero = 50
    breaker_failures: Positive = 5
    """Distinct requests that fail in a row within `breaker_window_s` before an upstream is left alone."""
    breaker_window_s: Duration = 60.0
    breaker_open_s: Duration = 5.0
    dead_key_s: Duration = 600.0
    cooldown_s: Duration = 5.0
    max_cooldown_s: Duration = 3600.0
    sticky: bool = True
    """Whether long conversations go back to the upstream that may have cached them."""
    check_s: DurationOrZero = 0.0
    """Pause between two checks of upstreams and keys that are left alone; 0 = requests try by themselves."""


class Images(Table, frozen=True, kw_only=True):
    """`[images]`: stored results and what may be sent in."""

    directory: FilePath = Path("freetheai-images")
    keep_s: Annotated[float, Bounds(above=0, at_most=ONE_HOUR_S)] = 3600.0
    max_pixels: Positive = 25_000_000
    fetch_input_urls: bool = False
    strip_metadata: bool = False
    """Whether Exif and the like are taken out of pictures that are sent in."""
    deadline_s: Duration = 170.0
    max_held_bytes: Annotated[int, Bounds(at_least=1_048_576)] = 134_217_728
    """Bytes of results that one process holds; above, results wait at their providers."""


class UsageRetention(Table, frozen=True, kw_only=True):
    """`[usage]`: how long records are kept, in days."""

    raw_days: Duration = 30.0
    rollup_days: Duration = 400.0


class Journal(Table, frozen=True, kw_only=True):
    """`[journal]`: where finished requests are written before they reach the database."""

    directory: FilePath = Path("freetheai-journal")
    fsync: bool = False


class Health(Table, frozen=True, kw_only=True):
    """`[health]`: the thresholds of `/v1/health`, as shares of failed requests."""

    minimum_requests: Positive = 5
    degraded_from: Share = 0.05
    down_from: Share = 0.5


class Metrics(Table, frozen=True, kw_only=True):
    """`[metrics]`."""

    token: Token = None
    """`None`: only a direct loopback peer may read `/metrics` and `/readyz`."""


class Log(Table, frozen=True, kw_only=True):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class SignUp(Table, frozen=True, kw_only=True):
    """`[discord.signup]`: who may have a key, and how often."""

    open: bool = True
    minimum_account_age_days: DurationOrZero = 7.0
    minimum_membership_minutes: DurationOrZero = 0.0
    challenge: Literal["text", "none"] = "text"
    per_hour: Positive = 60
    reset_cooldown_minutes: DurationOrZero = 10.0


class Membership(Table, frozen=True, kw_only=True):
    """`[discord.membership]`: whether a key needs its owner in the server, and how often Discord is asked."""

    required: bool = True
    recheck_hours: Duration = 6.0
    keep_hours: DurationOrZero = 72.0
    """How long what was last known holds while Discord can't be asked."""


class Discord(Table, frozen=True, kw_only=True):
    """`[discord]`: the key desk. Off until it is wholly set up."""

    application_id: Annotated[str, Form(forms.optional_snowflake), MayBeMissing()] = ""
    public_key: Annotated[str, Form(forms.optional_public_key), MayBeMissing()] = ""
    bot_token: Annotated[CredentialIfSet, UnlessSet("env:DISCORD_BOT_TOKEN")] = None
    client_secret: Annotated[CredentialIfSet, UnlessSet("env:DISCORD_CLIENT_SECRET")] = None
    guild_id: Annotated[str, Form(forms.optional_snowflake), MayBeMissing()] = ""
    invite_url: Annotated[OptionalUrl, MayBeMissing()] = ""
    operators: tuple[Annotated[str, Form(forms.snowflake), MayBeMissing()], ...] = ()
    api_base: Annotated[str, Form(forms.http_url), MayBeMissing()] = "https://discord.com/api/v10"
    authorize_url: Annotated[str, Form(forms.http_url), MayBeMissing()] = "https://discord.com/oauth2/authorize"
    """Where browsers are sent to sign in."""
    tier_roles: tuple[tuple[Annotated[str, Form(forms.snowflake)], Positive], ...] = ()
    tier_skus: tuple[tuple[Annotated[str, Form(forms.snowflake)], Positive], ...] = ()
    signup: SignUp = SignUp()
    membership: Membership = Membership()

    @property
    def is_on(self) -> bool:
        """Whether commands can be answered and members looked up."""
        return bool(self.application_id and self.public_key and self.bot_token and self.guild_id)

    @property
    def login_is_on(self) -> bool:
        """Whether members can log in to the pages with Discord."""
        return self.is_on and bool(self.client_secret)


class Settings(Table, frozen=True, kw_only=True):
    """The whole configuration. Made by `load` and `default_settings`, which complete what depends on other keys."""

    site: Site = Site()
    server: Server = Server()
    database: Database = Database()
    limits: Limits = Limits()
    access: Access = Access()
    tiers: Annotated[tuple[Tier, ...], NotEmpty()] = (
        Tier(level=1, name="Starter", minimum_invites=0, requests_per_minute=10, concurrency=1),
        Tier(level=2, name="Member", minimum_invites=3, requests_per_minute=15, concurrency=1),
        Tier(level=3, name="Regular", minimum_invites=8, requests_per_minute=20, concurrency=2),
        Tier(level=4, name="Veteran", minimum_invites=15, requests_per_minute=28, concurrency=2),
        Tier(level=5, name="Ambassador", minimum_invites=30, requests_per_minute=35, concurrency=3),
    )
    families: tuple[Family, ...] = ()
    aliases: tuple[Alias, ...] = ()
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] = ()
    pools: Pools = Pools()
    images: Images = Images()
    usage: UsageRetention = UsageRetention()
    journal: Journal = Journal()
    health: Health = Health()
    metrics: Metrics = Metrics()
    log: Log = Log()
    discord: Discord = Discord()
