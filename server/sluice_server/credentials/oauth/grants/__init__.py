"""The ways to get tokens, one module each. None knows where accounts are kept."""
