"""Who is calling, and what it may do (docs/guides/callers.md).

`callers` knows all of them and asks, in this order: `tokens` and `jwts` about a bearer token,
`certificates` about the connection. What comes out is a `caller` with its rights.
"""
