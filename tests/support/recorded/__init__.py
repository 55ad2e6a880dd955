"""Recorded traffic of real providers, read for tests. The recordings are not in the repository."""
