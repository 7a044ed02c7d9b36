"""Numbers on disk: written atomically, read back as pandas frames and labelled maps. Torch-free.

Layout of one run, ``<out_dir>/<arm>/<run id>/``::

    run.json                                    command, git state, versions, settings, schema version
    windows/<window id>.json                    how each captured pass ended
    checkpoints/<digest>.json                   weight digest -> files that hold it, epoch, metrics
    crystals/rank=<r>/<window id>.parquet       labels: id, formula, elements, tokens, text, structure
    attention/ckpt=<digest>/rank=<r>/*.parquet  crystal x module x call x direction x head x scope
    samples/ckpt=<digest>/rank=<r>/*.parquet    crystal: counts, target, raw prediction
    maps/ckpt=<digest>/rank=<r>/*.safetensors   chosen crystals, float16, with labels
    manifest.json                               written last: files, sizes, row counts, state
"""
