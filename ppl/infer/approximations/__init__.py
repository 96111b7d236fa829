"""Approximations of a posterior that need no tuning: one result for all methods."""
