"""Read at every start of Python in an environment with the package: the launcher's surest way in, and the flag's.

Under ``crysmm-attn run`` every process of the host finds the launcher's variables here, whatever the host did to
``PYTHONPATH``, whoever else put a ``sitecustomize`` first, and under ``python -I`` and ``-E``, which ignore variables of
Python's own alone. Without the launcher nothing is loaded and nothing is touched until a process imports a module at which
some installed package says that a host is entered (``announced.py``, asked at the first import that is not the standard
library's), or the environment variable ``CRYSMM_ATTN_ENABLED`` asks for capture. ``CRYSMM_ATTN_ENABLED=0`` turns even that off. The file that calls it, ``crysmm_attn.pth``, is added by
``setup.py``; a virtual environment over another one has it twice, and is entered once.
"""

import os
import sys

from crysmm_attn_plugin.announced import announced, by_module, package_folders

TYPE_CHECKING = False  # typing itself would be an import at every start
if TYPE_CHECKING:
    from typing import Any

_OFF = ("0", "false", "no", "off")
#: What Python and its installers import at every start: no host yet, and package folders may still be added.
_STARTING = frozenset({"sitecustomize", "usercustomize", "_distutils_hack", "_virtualenv"})
_started = False


def start() -> None:
    """Wait for a host; never fails, because it runs in every process of the environment."""
    global _started
    if _started:
        return
    _started = True
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
            sys.meta_path.insert(0, HostWatch(list(sys.path)))  # type: ignore[arg-type]
    except Exception as error:
        sys.stderr.write(f"crysmm-attn: could not start, nothing will be captured: {error!r}\n")


class HostWatch:
    """A finder that finds nothing: it looks for the import of a module at which a host is entered.

    Args:
        folders: The path as it is before a script's own folder stands on it.
    """

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders
        self._length = 0
        self._looking = self._failed = False
        self._seams: dict[str, set[str]] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if self._looking or self._failed or _is_of_python(name):
            return None
        self._looking = True
        try:
            if len(sys.path) != self._length:
                self._read()
            if name not in self._seams or not _defines(name, path, self._seams[name]):
                return None
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            return _activate("flag").find_spec(name, path, target)
        except Exception as error:
            self._failed = True
            sys.stderr.write(f"crysmm-attn: could not start, nothing will be captured: {error!r}\n")
            return None
        finally:
            self._looking = False

    def _read(self) -> None:
        """What is announced on the path, package folders included that were added since."""
        self._length = len(sys.path)
        self._seams = by_module(announced([*self._folders, *package_folders()]))


def _is_of_python(name: str) -> bool:
    """Whether it is the standard library's, or what is imported at every start."""
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top in _STARTING or top.startswith("__editable__")


def _defines(name: str, path: object, functions: set[str]) -> bool:
    """Whether the module about to be imported defines one of the functions; an empty one is in every module."""
    from importlib.machinery import PathFinder

    if "" in functions:
        return True
    spec = PathFinder.find_spec(name, path)  # type: ignore[arg-type]
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return False
    with open(spec.origin, "rb") as source:
        text = source.read()
    return any(b"def " + function.encode() in text for function in functions)


def _activate(mode: str) -> "Any":
    from crysmm_attn_plugin.hooks.bootstrap.process import activate

    return activate(mode).finder
