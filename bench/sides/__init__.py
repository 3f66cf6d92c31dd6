"""What `bench/run` measures: one module a side or a part, and the report."""
