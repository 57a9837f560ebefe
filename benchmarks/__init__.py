"""How fast is exportstream, and against what: ``python -m benchmarks``."""
