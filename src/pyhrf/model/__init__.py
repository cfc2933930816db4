"""Design, priors, nuisance, noise, neighbour graph and sufficient statistics."""
