"""Making and editing parcellations."""
