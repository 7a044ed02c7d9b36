"""The engine behind ``plugin.py``: one process's windows turned into rows and maps."""
