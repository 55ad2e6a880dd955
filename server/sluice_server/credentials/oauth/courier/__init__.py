"""A process that renews one account once, and that outlives the server which started it.

A refresh token that works once is spent when the token endpoint decides, and its
successor exists nowhere but in an answer on its way. A server that is killed then must
not take that answer with it.

- `handover` is what both processes say to each other.
- `dispatch` is the server's side: it starts the process and waits for its report.
- `__main__` is the process. It does what `renewal` does; no second way is here.
"""
