"""The scenarios: one file a family, one function a purpose (pattern: conformance/bench.py)."""
