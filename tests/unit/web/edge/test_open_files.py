"""The limit of open files."""

import resource

from freetheai_gateway.web.edge.open_files import raise_open_files_limit


def test_limit_when_the_soft_one_is_lower_then_it_is_raised_to_the_hard_one() -> None:
    """Often 1,024 against half a million."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = 512 if hard == resource.RLIM_INFINITY else min(512, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
        assert raise_open_files_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
