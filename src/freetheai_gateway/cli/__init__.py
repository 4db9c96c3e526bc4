"""The command `freetheai`."""


def main() -> None:
    """Run the command line."""
