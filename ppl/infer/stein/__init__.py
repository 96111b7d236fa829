"""Stein variational inference: particles that repel one another, points or guides."""
