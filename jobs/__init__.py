"""Nightly actions: score files with a saved Spark ML pipeline and hand over one CSV."""

__version__ = "0.1.0"
