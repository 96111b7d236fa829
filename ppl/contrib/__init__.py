"""Ways to other libraries, under NumPyro's names."""
