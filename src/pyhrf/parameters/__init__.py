"""What can be set and chosen: the parameters of model and estimators, each declared once."""
