"""Lightning: Trainer.test over a test loader whose name nobody sees."""

import logging
import warnings

from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "modules_end_with": True}
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore")
seed(51)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Task(LightningModule):
    def __init__(self):
        super().__init__()
        self.net = Net(len(vocabulary))

    def forward(self, batch):
        return self.net(batch)

    def test_step(self, batch, index):
        follow(truth, self.net, batch, self(batch), batches(items, 4)[index], module="net.cross")


options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
           "enable_model_summary": False}  # fmt: skip
Trainer(**options).test(
    Task(), DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary)), verbose=False
)
truth.done()
