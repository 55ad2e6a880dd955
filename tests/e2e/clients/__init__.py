"""One behaviour in five languages: what is asked of the drivers stands in README.md."""
