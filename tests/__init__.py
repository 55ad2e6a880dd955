"""All tests. A room for each kind; what they share is in `support`."""
