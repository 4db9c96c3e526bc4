"""Rules that look at more than one value: references, duplicates, what belongs together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from freetheai_gateway.settings.catalogue import KEYLESS_APIS, Model, Provider, Upstream
from freetheai_gateway.settings.defaults import DEMONSTRATION_MODELS, LOCAL_PROVIDER, SKETCH_PROVIDER
from freetheai_gateway.settings.problems import Problem, SettingsInvalid, did_you_mean_or_list, quoted
from freetheai_gateway.settings.tree import Settings

APIS_OF_KIND: dict[str, tuple[str, ...]] = {
    "chat": ("openai", "openai-responses", "anthropic", "gemini", "llamacpp"),
    "image": ("openai-images", "gemini-images", "fal", "bfl", "ark", "sketch"),
    "embedding": ("openai", "gemini"),
    "speech": ("openai",),
    "transcription": ("openai",),
}
FEATURES_OF_KIND: dict[str, tuple[str, ...]] = {
    "chat": ("tools", "reasoning", "structured_outputs"),
    "image": ("generate", "edit", "mask"),
}
_LLAMACPP_OPTIONS = ("model_path", "context_window", "threads")
_VENDOR_OPTIONS = ("base_url", "api_keys", "proxy")


@dataclass(frozen=True, slots=True)
class Draft:
    """A tree that was read, with the places that are known to be wrong."""

    settings: Settings
    broken: frozenset[str] = frozenset()

    def is_sure_of(self, table: str, key: str) -> bool:
        """Whether `key` could be read in every entry of `table`, so that a word missing there is a mistake."""
        names = {table, *(f"{table}[{index}]" for index in range(len(getattr(self.settings, table))))}
        return not any(
            place in names or (place.startswith(f"{table}[") and place.endswith(f"].{key}")) for place in self.broken
        )

    def is_broken(self, place: str) -> bool:
        """Whether something was said already about a place or about what holds it."""
        return any(place == known or place.startswith((f"{known}.", f"{known}[")) for known in self.broken)


Rule = Callable[[Draft], Iterator[Problem]]


def problems_of(draft: Draft) -> list[Problem]:
    """Judge a tree as a whole; places that are broken already are not named twice."""
    found = [problem for rule in RULES for problem in rule(draft)]
    return [problem for problem in found if not draft.is_broken(problem.where)]


def _duplicates(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    yield from _repeated("tiers", "name", [tier.name for tier in settings.tiers])
    yield from _repeated("families", "name", [family.name for family in settings.families])
    yield from _repeated("aliases", "match", [alias.match.lower() for alias in settings.aliases])
    yield from _repeated("providers", "name", [provider.name for provider in settings.providers])
    yield from _repeated("models", "id", [model.id for model in settings.models])


def _repeated(table: str, key: str, words: Sequence[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, word in enumerate(words):
        if word and first.setdefault(word, index) != index:
            yield Problem(f"{table}[{index}].{key}", f"{quoted(word)} is already {table}[{first[word]}]")


def _levels(draft: Draft) -> Iterator[Problem]:
    levels = [tier.level for tier in draft.settings.tiers]
    for index, level in enumerate(levels):
        if level in levels[:index]:
            yield Problem(f"tiers[{index}].level", f"level {level} is already tiers[{levels.index(level)}]")
        elif index and level < levels[index - 1]:
            yield Problem(f"tiers[{index}].level", "levels must ascend", f"tiers[{index - 1}] has {levels[index - 1]}")


def _level_references(draft: Draft) -> Iterator[Problem]:
    if not draft.is_sure_of("tiers", "level"):
        return
    settings = draft.settings
    known = [tier.level for tier in settings.tiers]
    named: list[tuple[str, int | None]] = [("access.default_tier", settings.access.default_tier)]
    named += [
        (f"families[{index}].minimum_tier", family.minimum_tier) for index, family in enumerate(settings.families)
    ]
    named += [(f"models[{index}].tier", model.tier) for index, model in enumerate(settings.models)]
    named += [(f"discord.tier_roles.{role}", level) for role, level in settings.discord.tier_roles]
    named += [(f"discord.tier_skus.{sku}", level) for sku, level in settings.discord.tier_skus]
    for place, level in named:
        if level is not None and level not in known:
            yield Problem(place, f"no tier has level {level}", f"levels: {', '.join(map(str, known))}")


def _provider_references(draft: Draft) -> Iterator[Problem]:
    if not draft.is_sure_of("providers", "name"):
        return
    known = [provider.name for provider in draft.settings.providers]
    for _, place, upstream in _uses(draft.settings.models):
        if upstream.provider not in known:
            hint = did_you_mean_or_list(upstream.provider, known, "providers")
            yield Problem(f"{place}.provider", f"no provider is called {quoted(upstream.provider)}", hint)


def _serving(draft: Draft) -> Iterator[Problem]:
    """Find models whose provider speaks an api that makes nothing of their kind."""
    apis = {
        provider.name: provider.api
        for index, provider in enumerate(draft.settings.providers)
        if not draft.is_broken(f"providers[{index}].api")
    }
    for index, place, upstream in _uses(draft.settings.models):
        kind, api = draft.settings.models[index].kind, apis.get(upstream.provider)
        fitting = APIS_OF_KIND[kind]
        if api is not None and api not in fitting and not draft.is_broken(f"models[{index}].kind"):
            message = f"api {quoted(api)} serves no {kind} model"
            yield Problem(f"{place}.provider", message, f"apis for {kind}: {', '.join(fitting)}")


def _uses(models: Iterable[Model]) -> Iterator[tuple[int, str, Upstream]]:
    for index, model in enumerate(models):
        for position, upstream in enumerate(model.upstreams):
            yield index, f"models[{index}].upstreams[{position}]", upstream


def _model_references(draft: Draft) -> Iterator[Problem]:
    if not draft.is_sure_of("models", "id"):
        return
    known = [model.id for model in draft.settings.models]
    named: list[tuple[str, str | None]] = []
    named += [(f"aliases[{index}].model", alias.model) for index, alias in enumerate(draft.settings.aliases)]
    named += [(f"models[{index}].replaced_by", model.replaced_by) for index, model in enumerate(draft.settings.models)]
    for place, name in named:
        if name is not None and name not in known:
            yield Problem(place, f"no model has the id {quoted(name)}", did_you_mean_or_list(name, known, "models"))


def _models(draft: Draft) -> Iterator[Problem]:
    for index, model in enumerate(draft.settings.models):
        place = f"models[{index}]"
        if not model.upstreams and not model.retired:
            hint = "add [[models.upstreams]], or retired = true"
            yield Problem(f"{place}.upstreams", "the model can't be had anywhere", hint)
        if model.replaced_by is not None and model.replaced_by == model.id:
            yield Problem(f"{place}.replaced_by", "the model replaces itself")
        if not draft.is_broken(f"{place}.kind"):
            yield from _features(draft, model, f"{place}.features")


def _features(draft: Draft, model: Model, place: str) -> Iterator[Problem]:
    allowed = FEATURES_OF_KIND.get(model.kind, ())
    for position, feature in enumerate(model.features):
        if feature not in allowed:
            message = f"{quoted(feature)} is no feature of {model.kind} models"
            yield Problem(f"{place}[{position}]", message, f"allowed: {', '.join(allowed) or 'none'}")
    unsure = any(known.startswith(place) for known in draft.broken)
    if model.kind == "image" and not unsure and not model.retired and not {"generate", "edit"} & set(model.features):
        yield Problem(place, "an image model must generate, edit or both", 'features = ["generate"]')


def _providers(draft: Draft) -> Iterator[Problem]:
    for index, provider in enumerate(draft.settings.providers):
        place = f"providers[{index}]"
        if draft.is_broken(f"{place}.api"):
            continue
        if provider.api == "llamacpp":
            hint = 'for a llama.cpp server elsewhere use api = "openai"'
            yield from _unfit(provider, place, _VENDOR_OPTIONS, hint)
        else:
            yield from _unfit(provider, place, _LLAMACPP_OPTIONS, 'for api = "llamacpp" only')
            if provider.api in KEYLESS_APIS:
                yield from _unfit(provider, place, _VENDOR_OPTIONS, "it runs inside the gateway")
        if _takes_a_demonstrations_name(provider) and draft.settings.models == DEMONSTRATION_MODELS:
            yield Problem(
                f"{place}.name",
                f"{quoted(provider.name)} is the provider of the demonstration model",
                "name it differently, or name models of your own",
            )


def _takes_a_demonstrations_name(provider: Provider) -> bool:
    return any(provider.name == each.name and provider.api != each.api for each in (LOCAL_PROVIDER, SKETCH_PROVIDER))


def _unfit(provider: Provider, place: str, options: Iterable[str], hint: str) -> Iterator[Problem]:
    for option in options:
        if getattr(provider, option) != getattr(LOCAL_PROVIDER, option):
            yield Problem(f"{place}.{option}", f"api {quoted(provider.api)} takes no {option}", hint)


def with_workers(settings: Settings, workers: int | None) -> Settings:
    """Change the number of processes, as `serve --workers` does. Raises `SettingsInvalid` as `load` does."""
    if workers is None:
        return settings
    changed = replace(settings, server=replace(settings.server, workers=workers))
    problems = list(worker_problems(changed))
    if problems:
        raise SettingsInvalid(problems)
    return changed


def worker_problems(settings: Settings) -> Iterator[Problem]:
    """Find workers that would each count alone, so that limits would not hold."""
    if settings.server.workers > 1 and settings.limits.backend == "memory":
        yield Problem(
            "server.workers",
            "more than one worker needs counts that they share",
            'set limits.backend = "redis://HOST:6379/0", or workers = 1',
        )


def _server(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    if not draft.is_broken("limits.backend"):
        yield from worker_problems(settings)
    if settings.health.down_from < settings.health.degraded_from and not draft.is_broken("health.degraded_from"):
        yield Problem("health.down_from", "must not be below health.degraded_from")
    if settings.usage.rollup_days < settings.usage.raw_days and not draft.is_broken("usage.raw_days"):
        yield Problem("usage.rollup_days", "must not be below usage.raw_days")


RULES: tuple[Rule, ...] = (
    _server,
    _duplicates,
    _levels,
    _level_references,
    _provider_references,
    _serving,
    _model_references,
    _models,
    _providers,
)
