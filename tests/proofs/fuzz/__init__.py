"""Inputs nobody would write, given to everything that reads text or bytes from outside; see ``__main__``."""
