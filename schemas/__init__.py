"""Data contracts as data: Table Schema files, readable from the submitted zip."""
