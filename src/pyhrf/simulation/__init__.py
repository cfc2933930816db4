"""Artificial BOLD data with known truth."""
