"""The process's limit of open files: every connection is one."""

import resource


def raise_open_files_limit() -> int:
    """Raise the soft limit (often 1,024) to the hard one; returns the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
