"""Errors a user can act on; each carries the exit code the command line returns.

A message is one line: the file, the variable, what is wrong, and what to do about it.
"""


class Co2physError(Exception):
    """Any failure that co2phys explains in one line instead of a traceback."""

    exit_code = 1


class UsageError(Co2physError):
    """The options or the configuration do not make sense (exit code 2)."""

    exit_code = 2


class DataError(Co2physError):
    """A file or its contents are missing or invalid (exit code 3)."""

    exit_code = 3


class NumericalError(Co2physError):
    """The computation diverged or would be unstable (exit code 4)."""

    exit_code = 4


class ThresholdError(Co2physError):
    """A result misses the acceptance threshold the user asked for (exit code 5)."""

    exit_code = 5
