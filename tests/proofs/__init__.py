"""Long proofs, each a command of its own; ``python -m tests.proofs`` lists and runs them."""
