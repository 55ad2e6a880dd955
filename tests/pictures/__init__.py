"""Pictures of the status page for the documentation: `make pictures`.

A real server with real calls to providers that play their parts for some minutes. What the
providers are and who calls is in `scene`; taking the pictures is in `__main__`.
"""
