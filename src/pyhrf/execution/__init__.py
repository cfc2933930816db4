"""Engines, batches and the journal: how work is spread and how it survives a crash."""
