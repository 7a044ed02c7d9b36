"""Numbers on disk: written in groups, each whole or absent; every byte checked when it is read. Torch-free.

One file, one idea: ``files`` (atomic writes), ``journal`` (what a process wrote), ``manifest`` and ``seal`` (the end of a run),
``listing`` (what a run should hold), ``whole`` (bytes checked before use), ``columns`` and ``groups`` (a pass being written),
``writer``, ``tables`` and ``means`` (rows read back), ``labelled`` (maps), ``outcomes``, ``reader``, ``shards``, ``repair``,
``folders`` (report folders). The layout on disk and what is promised stand in ``docs/store.md``.
"""
