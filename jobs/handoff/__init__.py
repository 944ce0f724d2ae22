"""Bytes: where files live, and how a run becomes one published CSV."""
