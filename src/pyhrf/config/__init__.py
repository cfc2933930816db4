"""The study file and the settings file as validated, typed models."""
