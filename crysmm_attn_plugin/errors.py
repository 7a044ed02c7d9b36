"""One error family: every message names the cause, both values where two disagree, and the way out."""

from __future__ import annotations


class AttnError(Exception):
    """Base of every error this project raises on purpose.

    Attributes:
        exit_code: What the command line returns when this error ends a command.
    """

    exit_code = 1


class UsageError(AttnError):
    """A flag, setting or path the user gave cannot be used (exit code 2)."""

    exit_code = 2


class NothingCapturedError(AttnError):
    """No fine-grained attention was found or captured (exit code 3)."""

    exit_code = 3


class PartialStoreError(AttnError):
    """A run on disk is incomplete or damaged (exit code 4)."""

    exit_code = 4


class IdentityError(AttnError):
    """A crystal's id, elements or tokens could not be matched to what the model was given."""


class CaptureError(AttnError):
    """A tap, window or metric failed inside the host's run."""


class StatisticsError(AttnError):
    """A comparison cannot be made from the values given."""
