"""Pictures of the status page and of the command line for the documentation: `make pictures`.

A real server with real calls to providers that play their parts for some minutes. What the
providers are and who calls is in `scene`; taking the pictures is in `__main__`. The command line
runs in a terminal against a provider of its own, in `terminal`.
"""
