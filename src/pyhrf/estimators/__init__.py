"""Estimators: they turn the data of one parcel into an estimate."""
