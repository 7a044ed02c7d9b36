"""How weights are read from a module without changing what it computes."""
