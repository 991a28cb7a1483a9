"""What is done with a trained run: samples, reconstructions, inversion, fitted priors, exports."""
