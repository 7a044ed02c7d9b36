"""The analysis under its original name and flags; the same as ``crysmm-attn compare``.

python compare_attention_weights.py --checkpoint_full FILE --checkpoint_no_middle FILE --root_dir DIR
"""

import sys

from crysmm_attn_plugin.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["compare", *sys.argv[1:]]))
