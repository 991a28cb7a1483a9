"""Several runs side by side: comparisons and the continuum from VAE to GAN."""
