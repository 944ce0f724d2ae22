"""Rows: DataFrame in, DataFrame out."""
