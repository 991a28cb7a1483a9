"""Distributions, priors p(z) and likelihoods p(x|z)."""
