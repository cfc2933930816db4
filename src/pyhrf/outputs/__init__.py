"""The catalogue of outputs: every map and every column of a table, declared once."""
