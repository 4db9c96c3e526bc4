"""A node of several workers that could not start."""


class NodeFailed(Exception):
    """What the worker said that could not start; the message is for the operator, `code` the exit code."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
