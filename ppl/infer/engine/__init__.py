"""The engine: kernels, adaptation, driver and sinks; it has never heard of models."""
