"""Built-in host adapters, registered like anyone else's plugin."""
