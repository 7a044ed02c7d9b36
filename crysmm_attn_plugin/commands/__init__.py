"""Sub-commands. Each file has ``add_arguments(parser)`` and ``run(args) -> exit code``; part of the CLI entry."""
