"""One error family: every message names the cause, both values where two disagree, and the way out."""

from __future__ import annotations


def one_line(text: object) -> str:
    """``text`` with control characters, ends of lines and marks of direction, as a name of a file may hold, as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def shortened(text: object) -> str:
    """A path as a message shows it: a very long one by its ends."""
    words = str(text)
    return words if len(words) < 120 else f"{words[:80]}...{words[-20:]}"


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


class StoreError(AttnError):
    """A run on disk cannot be used as it is (exit code 4)."""

    exit_code = 4


class PartialStoreError(StoreError):
    """A run on disk is incomplete."""


class DamagedStoreError(PartialStoreError):
    """A file of a run is not what was written.

    Attributes:
        path: The file, relative to the run's folder.
        what: What is wrong with it.
    """

    def __init__(self, run: object, path: str, what: str, *, others: int = 0) -> None:
        self.run, self.path, self.what = run, path, what
        more = f" ({others} more files of the run are damaged too)" if others else ""
        super().__init__(
            f"{run}: {path} {what}{more}; `crysmm-attn repair {run}` keeps what is whole, "
            'open_run(..., damaged="skip") reads it.'
        )


class IdentityError(AttnError):
    """A crystal's id, elements or tokens could not be matched to what the model was given."""


class CaptureError(AttnError):
    """A tap, window or metric failed inside the host's run."""


class PluginError(AttnError):
    """A plugin of the project itself cannot be loaded: the installation is broken."""


class StatisticsError(AttnError):
    """A comparison cannot be made from the values given."""
