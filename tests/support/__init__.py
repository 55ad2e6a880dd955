"""What tests share: a scriptable upstream, harnesses for the server, readers of answers.

Nothing here is a test; the tests of this code are in `tests/unit/support`.
"""
