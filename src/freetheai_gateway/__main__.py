"""`python -m freetheai_gateway` is the command `freetheai`."""

from freetheai_gateway.cli import main

if __name__ == "__main__":
    main()
