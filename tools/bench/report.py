"""The results as a table for people and as one object for programs."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from tools.bench.rounds import Results, Sample, Streamed, Whole
from tools.bench.setup import DIRECT, GATEWAY, NGINX, Stage

_TITLES = {
    "whole": "whole replies",
    "stream": "streams",
    "whole_tls": "whole replies, TLS to the upstream",
    "stream_tls": "streams, TLS to the upstream",
}
_COLUMNS = (DIRECT, NGINX, GATEWAY)
Number = Callable[[Sample], float | None]


def table(stage: Stage, results: Results) -> str:
    """Render the table: medians over the rounds, and the gateway's ratio to nginx with its range over the rounds."""
    lines = [_line("", _COLUMNS, "gateway / nginx")]
    for kind in stage.kinds:
        lines += ["", _TITLES[kind]]
        for label, number, form, has_ratio in _rows(kind):
            values = [_median(_numbers(results, kind, name, number)) for name in _COLUMNS]
            ratio = _ratio(results, kind, number) if has_ratio else ""
            lines.append(_line(label, [_text(value, form) for value in values], ratio))
        if kind.startswith("stream"):
            lines += [_over_direct(results, kind, what, number) for what, number in _WAITS.items()]
    lines += ["", "memory and start"]
    lines.append(_line("resident at rest, MB", _by_name(stage.at_rest_mb), ""))
    lines.append(_line("resident at its peak, MB", _by_name(results.peak_mb), ""))
    lines.append(_line("ready after, s", ["", "", f"{stage.later_start_s:.2f}"], ""))
    lines.append(_line("ready after, new database, s", ["", "", f"{stage.first_start_s:.2f}"], ""))
    return "\n".join(lines)


def warnings(results: Results) -> list[str]:
    """Say what makes figures worth less."""
    said = []
    for (kind, name), samples in results.samples.items():
        failures = sum(sample.failures for sample in samples)
        if failures:
            said.append(f"{failures} requests of {kind} failed at {name}: its figures are not comparable")
        shares = [share for sample in samples if (share := _core_share(sample)) is not None]
        if shares and median(shares) < 0.95:
            said.append(
                f"{name} had {median(shares):.0%} of a core in {kind}: something else was the bottleneck, "
                "compare requests per second of CPU"
            )
    return said


def as_json(stage: Stage, results: Results, about: Mapping[str, object]) -> bytes:
    """Render everything that was measured, each round too."""
    rounds = {
        kind: {name: results.samples[kind, name] for name in _COLUMNS if (kind, name) in results.samples}
        for kind in stage.kinds
    }
    document = {
        **about,
        "rounds": rounds,
        "ratios_to_nginx": _ratios(stage, results),
        "at_rest_mb": stage.at_rest_mb,
        "peak_mb": results.peak_mb,
        "start_s": stage.later_start_s,
        "first_start_s": stage.first_start_s,
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _whole(field: str) -> Number:
    return lambda sample: getattr(sample, field) if isinstance(sample, Whole) else None


def _streamed(field: str) -> Number:
    return lambda sample: getattr(sample, field) if isinstance(sample, Streamed) else None


def _per_cpu_s(sample: Sample) -> float | None:
    return 1e6 / sample.cpu_us if isinstance(sample, Whole) and sample.cpu_us else None


_core_share = _whole("core_share")
_WAITS = {"first byte": _streamed("first_byte_ms"), "first content": _streamed("first_content_ms")}
_WHOLE_ROWS: tuple[tuple[str, Number, str, bool], ...] = (
    ("requests/s", _whole("requests_per_s"), ",.0f", True),
    ("p50, ms", _whole("p50_ms"), ".2f", True),
    ("p99, ms", _whole("p99_ms"), ".2f", True),
    ("CPU per request, us", _whole("cpu_us"), ".1f", True),
    ("requests per second of CPU", _per_cpu_s, ",.0f", True),
    ("share of a core", _core_share, ".0%", False),
)
_STREAM_ROWS: tuple[tuple[str, Number, str, bool], ...] = (
    ("CPU per chunk, us", _streamed("cpu_us"), ".1f", True),
    *((f"{what} after, ms", number, ".3f", False) for what, number in _WAITS.items()),
)


def _ratios(stage: Stage, results: Results) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for kind in stage.kinds:
        for label, number, _, has_ratio in _rows(kind):
            per_round = _per_round(results, kind, number) if has_ratio else []
            if per_round:
                found.setdefault(kind, {})[label] = round(median(per_round), 4)
    return found


def _rows(kind: str) -> tuple[tuple[str, Number, str, bool], ...]:
    return _STREAM_ROWS if kind.startswith("stream") else _WHOLE_ROWS


def _per_round(results: Results, kind: str, number: Number) -> list[float]:
    ours, theirs = (_numbers(results, kind, name, number) for name in (GATEWAY, NGINX))
    return [own / other for own, other in zip(ours, theirs, strict=False) if other]


def _ratio(results: Results, kind: str, number: Number) -> str:
    per_round = _per_round(results, kind, number)
    if not per_round:
        return ""
    return f"{median(per_round):.2f} ({min(per_round):.2f} to {max(per_round):.2f})"


def _over_direct(results: Results, kind: str, what: str, number: Number) -> str:
    # The upstream is measured directly without TLS only; the handshake is over before the first request.
    floor = _median(_numbers(results, kind.removesuffix("_tls"), DIRECT, number))
    waits = [_median(_numbers(results, kind, name, number)) for name in (NGINX, GATEWAY)]
    over = [wait - floor if wait is not None and floor is not None else None for wait in waits]
    label = f"{what} over {'plain ' if kind.endswith('_tls') else ''}direct, ms"
    return _line(label, ["", *(_text(value, ".3f") for value in over)], "")


def _numbers(results: Results, kind: str, name: str, number: Number) -> list[float]:
    found = (number(sample) for sample in results.samples.get((kind, name), ()))
    return [value for value in found if value is not None]


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _by_name(values: Mapping[str, float]) -> list[str]:
    return [_text(values.get(name), ".0f") for name in _COLUMNS]


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _line(label: str, values: Sequence[str], ratio: str) -> str:
    return (f"{label:<34}" + "".join(f"{value:>11}" for value in values) + f"   {ratio}").rstrip()
