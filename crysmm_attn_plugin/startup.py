"""Read at every start of Python in an environment with the package: the launcher's surest way in, and the flag's.

Under ``crysmm-attn run`` every process of the host finds the launcher's variables here, whatever the host did to
``PYTHONPATH``, whoever else put a ``sitecustomize`` first, and under ``python -I`` and ``-E``, which ignore variables of
Python's own alone. Without the launcher nothing is loaded and nothing is touched until a process imports a host's
training module (one that defines ``train_dgl``), or the environment variable ``CRYSMM_ATTN_ENABLED`` asks for capture.
``CRYSMM_ATTN_ENABLED=0`` turns even that off. The file that calls it, ``crysmm_attn.pth``, is added by ``setup.py``.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself would be an import at every start
if TYPE_CHECKING:
    from typing import Any

#: Names that training modules of known hosts have.
MODULES = ("train", "alignn.train")
_OFF = ("0", "false", "no", "off")


def start() -> None:
    """Wait for a host; never fails, because it runs in every process of the environment."""
    try:
        if os.environ.get("CRYSMM_ATTN_INTERNAL_MODE"):
            # the launcher's other way in is not needed, so that whose sitecustomize runs is as without it
            sys.path[:] = [p for p in sys.path if p != os.environ.get("CRYSMM_ATTN_INTERNAL_SITE")]
            _activate(os.environ["CRYSMM_ATTN_INTERNAL_MODE"])
            return
        asked = os.environ.get("CRYSMM_ATTN_ENABLED", "").lower()
        if asked in _OFF:
            return
        if asked:
            _activate("flag")
        else:
            sys.meta_path.insert(0, _HostWatch())  # type: ignore[arg-type]
    except Exception as error:
        sys.stderr.write(f"crysmm-attn: could not start, nothing will be captured: {error!r}\n")


class _HostWatch:
    """A finder that finds nothing: it looks for the import of a host's training module."""

    def __init__(self) -> None:
        self._looking = False

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name not in MODULES or self._looking:
            return None
        self._looking = True
        try:
            if not _trains(name, path):
                return None
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            return _activate("flag").find_spec(name, path, target)
        except Exception as error:
            sys.stderr.write(f"crysmm-attn: could not start, nothing will be captured: {error!r}\n")
            return None
        finally:
            self._looking = False


def _trains(name: str, path: object) -> bool:
    """Whether the module about to be imported defines ``train_dgl``."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec(name, path)  # type: ignore[arg-type]
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return False
    with open(spec.origin, "rb") as source:
        return b"def train_dgl" in source.read()


def _activate(mode: str) -> "Any":
    from crysmm_attn_plugin.hooks.bootstrap.process import activate

    return activate(mode).finder
