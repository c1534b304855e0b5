"""Errors that a caller can act on. The message says what, found, expected, what to do."""


class HyperINRError(Exception):
    """Base of every error this package raises on purpose."""


class FormatError(HyperINRError):
    """A `.hinr` file that cannot be read: truncated, corrupted, newer, absurd."""


class BackendError(HyperINRError):
    """A backend that was named but cannot run here."""


class ParameterError(HyperINRError):
    """A theta, option or configuration value outside what is allowed."""


class DataError(HyperINRError):
    """Input data that cannot be trained on or sampled."""


class Aborted(HyperINRError):
    """The caller's progress callback asked to stop."""
