"""What is known of single models, as data: one TOML file and its type per family.

A fact that a provider changes is a line here, not code. Models that no row names
get the defaults, which pass everything on.
"""
