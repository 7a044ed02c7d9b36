"""What installed packages announce, known without importing any: seams of hosts (entry points in ``crysmm_attn.seams``), plugins.

``glass = "glass_train:fit"`` says that a process which imports ``glass_train``, defining ``fit``, is one of this host's. A
process of the environment asks for them at its first import that is not the standard library's, so nothing is imported here
but what Python has loaded anyway, and nothing is written anywhere: what was read is remembered by the process alone.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself would be an import at every start
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Entry-point group: any name = module:function, or a module alone.
GROUP = "crysmm_attn.seams"
#: Entry-point group of plugins.
PLUGINS = "crysmm_attn"
#: The distribution of the project itself, as its metadata folder is named.
OWN = "crysmm_attn"

#: Where Python itself may lie zipped.
_OF_PYTHON = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"

#: (module, function or "", distribution)
Seam = tuple[str, str, str]

#: Folder -> what its distributions announce, as this process read it.
_known: "dict[str, tuple[Seam, ...]]" = {}


def announced(folders: "Iterable[str] | None" = None) -> "tuple[Seam, ...]":
    """Every seam announced in these folders, each once; a folder is read once in a process.

    Args:
        folders: Folders that hold distributions. None: those known by now and the path's package folders, or the whole path
            where nothing was read yet. A script's own folder should not be among them: it may be large.
    """
    if folders is None:
        folders = [*_known, *package_folders()] if _known else list(sys.path)
    found: dict[Seam, None] = {}
    for folder in folders:
        if not folder or not isinstance(folder, str):  # the current folder, or what Python itself passes over
            continue
        if folder not in _known:
            _known[folder] = tuple(_read(folder))
        found.update(dict.fromkeys(_known[folder]))
    return tuple(found)


def package_folders() -> list[str]:
    """Folders of the path in which packages are installed, by their names."""
    return [p for p in sys.path if isinstance(p, str) and p.endswith("-packages")]


def by_module(seams: "Iterable[Seam]") -> dict[str, set[str]]:
    """Module -> the functions of which one must be defined in it; an empty one asks for none."""
    found: dict[str, set[str]] = {}
    for module, function, _ in seams:
        found.setdefault(module, set()).add(function)
    return found


def plugins_announced() -> bool:
    """Whether another distribution may hold a plugin, known without what it takes to list them.

    Yes, too, where distributions may lie elsewhere than in folders of the path.
    """
    finders = [f for f in sys.meta_path if hasattr(f, "find_distributions")]
    if any(getattr(finder, "__name__", "") != "PathFinder" for finder in finders):
        return True
    for folder in dict.fromkeys(p or os.curdir for p in sys.path if isinstance(p, str)):
        if folder.endswith(".egg") or (os.path.isfile(folder) and not folder.endswith(_OF_PYTHON)):
            return True
        if any(
            d != OWN and f"[{PLUGINS}]" in map(str.strip, t.splitlines()) for d, t in _texts(folder, PLUGINS)
        ):
            return True
    return False


def _read(folder: str) -> "Iterable[Seam]":
    """What the distributions of one folder announce; what cannot be read announces nothing."""
    for distribution, text in _texts(folder, GROUP):
        yield from _parsed(text, distribution)


def _texts(folder: str, group: str) -> "Iterable[tuple[str, str]]":
    """Distributions of one folder with their entry points, of those that name a group."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return
    for name in sorted(names):
        try:
            with open(f"{folder}/{name}/entry_points.txt", "rb", buffering=0) as file:
                text = file.read()
            if group.encode() in text:
                yield name.rpartition(".")[0].split("-")[0].lower().replace(".", "_"), text.decode()
        except (OSError, ValueError):
            continue


def _parsed(text: str, distribution: str) -> "Iterable[Seam]":
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{GROUP}]"
        elif inside and "=" in line and line[0] not in "#;":
            module, _, function = line.partition("=")[2].split("[")[0].strip().partition(":")
            parts = [*module.strip().split("."), function.strip() or "any"]
            if all(part.isidentifier() for part in parts):
                yield module.strip(), function.strip(), distribution
