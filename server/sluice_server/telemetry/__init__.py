"""What the house tells about itself: metrics, traces and logs.

Everybody may call this room; it knows nobody but `config` and `errors`. Names
of metrics, attributes and log events are in `names` and nowhere else.
"""
