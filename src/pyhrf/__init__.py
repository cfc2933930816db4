"""Haemodynamic responses and activation maps from task fMRI, by joint detection-estimation."""

__version__ = "1.0.0.dev0"
