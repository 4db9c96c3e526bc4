"""The line of a place: headers, keys, what is inside them, and what only looks like them."""

import pytest

from freetheai_gateway.settings.lines import Lines

TEXT = '''\
title.short = 1
[server]  # the edge
port = 1
timeouts = { header_s = 1 }
cors_origins = [
  "[[models]]",   # no header
  "x",
]
[[models]]
id = "a"
description = """
[[models]]
id = "no"
"""
[[models.upstreams]]
provider = "p"
[[models.upstreams]]
provider = "q"
[models.upstreams.quirks]
drop = []
[[ models ]]
"id" = "b"
"odd key" = 1
[discord.tier_roles]
112233445566778899 = 1
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("title.short", 1),
        ("server", 2),
        ("server.port", 3),
        ("server.timeouts.header_s", 4),
        ("server.cors_origins[1]", 5),
        ("server.absent", 2),
        ("models", 9),
        ("models[0]", 9),
        ("models[0].id", 10),
        ("models[0].description", 11),
        ("models[0].upstreams", 15),
        ("models[0].upstreams[0].provider", 16),
        ("models[0].upstreams[1].provider", 18),
        ("models[0].upstreams[1].weight", 17),
        ("models[0].upstreams[1].quirks.drop[0]", 20),
        ("models[1]", 21),
        ("models[1].id", 22),
        ('models[1]."odd key"', 23),
        ("discord.tier_roles.112233445566778899", 25),
        ("absent", None),
        ("line 3, column 5", None),
    ],
)
def test_find_when_asked_for_a_place_then_its_line(place: str, line: int | None) -> None:
    """A place has its own line, or that of the nearest thing around it."""
    assert Lines(TEXT).find(place) == line
