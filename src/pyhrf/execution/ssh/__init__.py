"""Other machines over ssh: connections, and what a host says of itself."""
