"""A host with a training function of its own, ``glass_train.fit(options, streams)``."""

import importlib
import sys

from crysmm_attn_plugin.descriptors import HostSeams
from crysmm_attn_plugin.hooks.hosts.base import HostTest


class GlassAdapter:
    """Where a process of the host is entered, and how one of its checkpoints is tested."""

    name = "glass"
    seams = HostSeams(
        training_modules=("glass_train",),
        training_function="fit",
        config_argument="options",
        loaders_argument="streams",
        switch="cross_modal",
        arms={True: "full", False: "no_middle"},
        property_of=lambda options: options.get("quantity", ""),
    )

    def matches(self, host_dir):
        """A folder with ``glass_train.py``."""
        return (host_dir / "glass_train.py").is_file()

    def load(self, request):
        """Model and test loader of one checkpoint, for ``crysmm-attn compare``."""
        import torch

        sys.path.insert(0, str(request.host_dir))
        host = importlib.import_module("glass_train")
        model = host.make_model()
        model.load_state_dict(torch.load(request.checkpoint, weights_only=True))
        loader = host.make_streams(request.batch_size)[2]
        return HostTest(
            model.eval(), loader, {}, {"ids": list(loader.dataset.ids)}, lambda net, batch: net(batch)
        )
