"""Parts that the test beds share lie in this folder, which pytest makes importable by this file."""
