"""The engines ``slurm``, ``pbs``, …: jobs of a batch scheduler, from its login node."""
