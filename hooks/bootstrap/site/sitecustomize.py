"""Put on the host's path by ``crysmm-attn run``: attaches, then runs the sitecustomize that this one stands before.

Only what comes after this folder on the path is looked at: what stands before it was there first, and has run.
"""

import os
import sys


def _chain() -> None:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = os.path.dirname(os.path.abspath(__file__))
    ours = [i for i, p in enumerate(sys.path) if os.path.abspath(p or os.getcwd()) == here]
    spec = PathFinder.find_spec("sitecustomize", sys.path[ours[-1] + 1 :] if ours else [])
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


def _attach() -> None:
    if os.environ.get("CRYSMM_ATTN_INTERNAL_MODE", "") == "":
        return
    try:
        try:
            from crysmm_attn_plugin.hooks.bootstrap.process import activate
        except ModuleNotFoundError as error:
            home = os.environ.get("CRYSMM_ATTN_INTERNAL_HOME", "")
            if not home or not (error.name or "").startswith("crysmm_attn_plugin"):
                raise
            sys.path.append(home)
            from crysmm_attn_plugin.hooks.bootstrap.process import activate
        activate()
    except Exception as error:  # the host runs on, whatever is wrong with us
        sys.stderr.write(f"crysmm-attn: could not attach, the host runs without capture: {error!r}\n")


if not hasattr(sys, "_crysmm_attn_site"):  # another sitecustomize may run this one a second time
    sys._crysmm_attn_site = True  # type: ignore[attr-defined]
    _attach()
    _chain()
