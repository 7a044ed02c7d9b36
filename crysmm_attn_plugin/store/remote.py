"""Runs behind a URL: copied here whole before they are read, by fsspec."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.urls import is_url


def here(place: str | os.PathLike[str]) -> Path:
    """A place as a path; what a URL names is copied into a temporary folder that lasts as long as the process.

    Raises:
        UsageError: When the URL cannot be read: an unknown kind, a package or a permission that is missing, nothing there.
    """
    if not is_url(place):
        return Path(place)
    url = os.fspath(place)
    try:
        import fsspec

        files, path = fsspec.core.url_to_fs(url)
        found = files.find(path)
    except Exception as error:  # every kind of store has errors of its own
        raise UsageError(
            f"{url} cannot be read: {error or type(error).__name__}. Install what fsspec needs for it, or copy the runs to a folder."
        ) from error
    if not found:
        raise UsageError(
            f"{url} does not exist or is empty; give a run, an arm's folder or a folder of runs."
        )
    folder = Path(tempfile.mkdtemp(prefix="crysmm-attn-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    top = path.rstrip("/")
    inside = [(name, name[len(top) :].lstrip("/")) for name in found]
    if any(".." in Path(below).parts or Path(below).is_absolute() for _, below in inside):
        raise UsageError(f"{url} holds names that lead out of it; nothing of it is read.")
    for name, below in inside:
        target = folder / Path(top).name / below if below else folder / Path(top).name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.get_file(name, str(target))
        except Exception as error:
            raise UsageError(f"{url} cannot be read: {name}: {error or type(error).__name__}.") from error
    return folder / Path(top).name
