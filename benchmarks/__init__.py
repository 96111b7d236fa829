"""Speed, measured against the peers: each module is one command; see docs/benchmarks.md."""
