"""The one failure that the bench has: it could not measure, and says why."""


class BenchError(Exception):
    """No figure can be given: a process failed, a call failed or an answer was wrong."""
