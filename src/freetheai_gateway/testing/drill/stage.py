"""The drill's gateway: a configuration in which every case has a model and providers of its own."""

from collections.abc import Iterable

from freetheai_gateway.testing.drill.cases import Case, Failure, Place

KEY_VARIABLE = "FREETHEAI_DRILL_KEY"
TIMEOUTS = "{ connect_s = 1.0, first_byte_s = 1.0, first_content_s = 1.5, idle_s = 1.0, total_s = 2.0 }"
"""About a hundredth of the defaults."""
BREAKER_FAILURES = 2

_HEAD = f"""\
[[tiers]]
level = 1
name = "Drill"
requests_per_minute = 100000
concurrency = 1000

[pools]
backoff_s = 0.02
breaker_failures = {BREAKER_FAILURES}
breaker_open_s = 60
deadline_s = 30
"""


class Stage:
    """Where the upstreams of a drill are."""

    def __init__(self, scripted_url: str, closed_port: int, *, key: str = f"env:{KEY_VARIABLE}") -> None:
        self._key = key
        self._urls = {
            Place.SCRIPTED: scripted_url,
            Place.CLOSED: f"http://127.0.0.1:{closed_port}/v1",
            Place.NOWHERE: "http://nowhere.invalid/v1",
            Place.NO_TLS: scripted_url.replace("http://", "https://"),
        }

    def url_of(self, failure: Failure | None) -> str:
        """Tell where a provider is that fails so, or one that does not."""
        return self._urls[Place.SCRIPTED if failure is None else failure.place]

    def configuration(self, cases: Iterable[Case]) -> str:
        """Write the configuration file."""
        return (
            _HEAD + self._provider("healthy", self._urls[Place.SCRIPTED]) + "".join(self._case(case) for case in cases)
        )

    def _case(self, case: Case) -> str:
        failure = case.failure
        text = self._provider(case.id, self._urls[failure.place])
        text += f'\n[[models]]\nid = "{model_of(case)}"\n' + _upstream(case.id, failure.behaviour, 1)
        return text + (_upstream("healthy", "plain", 2) if case.paired else "")

    def _provider(self, name: str, url: str) -> str:
        return f"""
[[providers]]
name = "{name}"
api = "openai"
base_url = "{url}"
api_keys = ["{self._key}"]
max_concurrency = 512
timeouts = {TIMEOUTS}
"""


def model_of(case: Case) -> str:
    """Name the model that plays a case."""
    return f"drill/{case.id}"


def _upstream(provider: str, model: str, priority: int) -> str:
    return f'\n[[models.upstreams]]\nprovider = "{provider}"\nmodel = "{model}"\npriority = {priority}\n'
