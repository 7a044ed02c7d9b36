"""The watched batch: what passes through softmax and fused attention, and what it means, by evidence over a pass.

Nothing here is laid on a module and nothing of the host's is kept after the pass.
"""
