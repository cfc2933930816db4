"""What the engines on dask.distributed share: scheduler, workers, the way of a batch."""
