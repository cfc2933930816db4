"""How well PyHRF finds what was put into artificial data, beside the programs it competes with.

``python -m validation`` runs a family of scenarios and writes a table and figures.
"""
