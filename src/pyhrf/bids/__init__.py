"""The BIDS App: a study per participant and task, all of them as one pool, and BIDS derivatives."""
