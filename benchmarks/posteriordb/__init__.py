"""Real posteriors with known answers: fitted, checked, and compared with the peer."""
