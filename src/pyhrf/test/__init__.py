"""The self-test that a user runs on his own installation with ``pyhrf_maketests``."""
