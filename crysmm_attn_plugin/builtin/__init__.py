"""What the project itself registers, through the same hooks as anyone's plugin."""
