"""The parts of `make_golden.py`: one module a kind of golden file, each with a `write()` that returns its paths."""
