"""What anyone may add to a capture and its reports: hook specifications, and how implementations are called."""
