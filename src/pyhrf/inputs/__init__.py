"""Readers of what researchers bring, one module per format."""
