"""The speed claims, as commands."""
