"""Command-line programs: they parse, call and print; no science and no file format here."""
