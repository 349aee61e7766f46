"""Publishing, and its readers."""
