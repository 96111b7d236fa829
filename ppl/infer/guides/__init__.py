"""Guides that are made from a model; `ppl.infer.autoguide` has their names."""
