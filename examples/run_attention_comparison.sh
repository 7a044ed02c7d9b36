#!/usr/bin/env bash
# Compares the attention of two trained checkpoints on their own test set. Set the paths below, then:
#
#     bash run_attention_comparison.sh [further flags of crysmm-attn compare]
#
# Each variable can also be given in the environment, for example NUM_SAMPLES=0 bash run_attention_comparison.sh
set -euo pipefail

# ---- your paths -------------------------------------------------------------------------------------------------
# The model with middle fusion, and the one without it.
CHECKPOINT_FULL=${CHECKPOINT_FULL:-output_100epochs_42_bs128_sw_ju/mbj_bandgap/best_val_model.pt}
CHECKPOINT_NO_MIDDLE=${CHECKPOINT_NO_MIDDLE:-output_100epochs_42_bs128_sw_ju_houqi/mbj_bandgap/best_val_model.pt}
# The property's folder (holding cif/ and description.csv), or the data set's root.
ROOT_DIR=${ROOT_DIR:-/public/home/ghzhang/crysmmnet-main/dataset/jarvis/mbj_bandgap}
# The folder of the code that trained the checkpoints.
HOST_DIR=${HOST_DIR:-.}
# Where the results go.
SAVE_DIR=${SAVE_DIR:-./attention_analysis}

# ---- your data --------------------------------------------------------------------------------------------------
DATASET=${DATASET:-dft_3d}
PROPERTY=${PROPERTY:-mbj_bandgap}
# Test crystals to analyse (0: all of them), and how many at a time.
NUM_SAMPLES=${NUM_SAMPLES:-100}
BATCH_SIZE=${BATCH_SIZE:-64}
# -----------------------------------------------------------------------------------------------------------------

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 2
}

command -v crysmm-attn >/dev/null 2>&1 ||
    fail "crysmm-attn is not installed in this environment; activate the one that has it, or pip install it."
[ -f "$CHECKPOINT_FULL" ] ||
    fail "CHECKPOINT_FULL=$CHECKPOINT_FULL is not a file; set it to the checkpoint of the full model."
[ -f "$CHECKPOINT_NO_MIDDLE" ] ||
    fail "CHECKPOINT_NO_MIDDLE=$CHECKPOINT_NO_MIDDLE is not a file; set it to the checkpoint without middle fusion."
[ -d "$ROOT_DIR" ] ||
    fail "ROOT_DIR=$ROOT_DIR is not a folder; set it to the one that holds cif/ and description.csv."
[ -d "$HOST_DIR" ] ||
    fail "HOST_DIR=$HOST_DIR is not a folder; set it to the code that trained the checkpoints."

exec crysmm-attn compare \
    --checkpoint_full "$CHECKPOINT_FULL" \
    --checkpoint_no_middle "$CHECKPOINT_NO_MIDDLE" \
    --root_dir "$ROOT_DIR" \
    --dataset "$DATASET" \
    --property "$PROPERTY" \
    --save_dir "$SAVE_DIR" \
    --num_samples "$NUM_SAMPLES" \
    --batch_size "$BATCH_SIZE" \
    --host-dir "$HOST_DIR" \
    "$@"
