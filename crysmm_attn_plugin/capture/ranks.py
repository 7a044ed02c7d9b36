"""One run id for every rank of a distributed job, agreed on without anyone waiting for anyone."""

from __future__ import annotations

import logging
from itertools import count

from crysmm_attn_plugin.store.writer import new_run_id

log = logging.getLogger("crysmm_attn")
_asked = count()


def shared_run_id() -> str:
    """A new run id; within a distributed job the id that the first rank to ask laid down.

    The job's key-value store is used and no collective, because hosts often test on one rank alone. The n-th question of
    each rank has one answer.
    """
    import torch.distributed as dist

    mine = new_run_id()
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return mine
    try:
        store = dist.distributed_c10d._get_default_store()
        return bytes(store.compare_set(f"crysmm_attn/run/{next(_asked)}", "", mine)).decode()
    except (AttributeError, RuntimeError) as error:
        log.warning("the ranks of this job write a run each, because their store cannot be used: %s", error)
        return mine
