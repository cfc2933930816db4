"""The self-test that a user runs on his own installation with ``pyhrf_maketests``."""

__all__ = ["MODULES"]

MODULES = ("pyhrf.test.test_treatment",)
