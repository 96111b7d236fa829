"""Speed against the peers: each module is a command; see docs/benchmarks.md."""
