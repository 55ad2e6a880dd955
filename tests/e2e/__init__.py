"""The real server, called over real gRPC, in front of the scriptable upstream.

One question per file. How the server is started is in `tests.support`.
"""
