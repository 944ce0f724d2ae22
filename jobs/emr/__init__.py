"""Requests: what the launcher sends to EMR. Never imports pyspark."""
