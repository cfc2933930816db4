"""The engine ``cluster``: a cluster through soma-workflow."""
