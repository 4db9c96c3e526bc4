"""What a usage costs."""

import pytest

from freetheai_gateway.domain.usage import Price, Usage, cost_micro_usd


@pytest.mark.parametrize(
    ("usage", "price", "images", "micro_usd"),
    [
        (Usage(), Price(1.0, 0.5, 2.0), 0, 0),
        (Usage(input_tokens=1_000_000), Price(input_per_million=0.6), 0, 600_000),
        (Usage(output_tokens=1_000_000), Price(output_per_million=2.2), 0, 2_200_000),
        (Usage(100, 50, cached_tokens=40), Price(1.0, 0.5, 2.0), 0, 60 + 20 + 100),
        (Usage(100, 0, cached_tokens=40), Price(1.0), 0, 100),
        (Usage(100, 0, cached_tokens=40), Price(1.0, 0.0), 0, 60),
        (Usage(100, 50, reasoning_tokens=30), Price(0.0, 0.0, 2.0), 0, 100),
        (Usage(10, 0, cached_tokens=40), Price(1.0, 0.5), 0, 20),
        (Usage(), Price(per_image=0.025), 3, 75_000),
        (Usage(input_tokens=1), Price(input_per_million=0.4), 0, 0),
        (Usage(input_tokens=2), Price(input_per_million=0.4), 0, 1),
    ],
)
def test_cost_is_whole_micro_dollars(usage: Usage, price: Price, images: int, micro_usd: int) -> None:
    """Cached tokens are part of the input and have their own rate, if one is set; reasoning is part of the output."""
    assert cost_micro_usd(usage, price, images) == micro_usd
