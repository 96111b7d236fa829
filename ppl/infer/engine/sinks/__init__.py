"""Sinks: where finished draws go."""

from ppl.infer.engine.sinks.base import AbstractSink
from ppl.infer.engine.sinks.memory import MemorySink
from ppl.infer.engine.sinks.moments import MomentsSink

__all__ = ["AbstractSink", "MemorySink", "MomentsSink"]
