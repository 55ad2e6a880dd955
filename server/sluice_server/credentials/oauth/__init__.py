"""Access tokens: got from a token endpoint, kept, and renewed before they end.

- `source` is the secret of one credential; `timing` says when it is renewed.
- `renewal` renews once: under a lock, and nothing is used before it is kept. `courier`
  does that in a process of its own, for accounts that a killed server must not lose.
- `account` is what is kept of it, `store` where (a file, or the shared state).
- `grants` are the ways to get tokens; `endpoint` talks to a token endpoint for a
  `client`, `faults` says what may go wrong there.
- `login`, `device`, `openrouter`: what a person does once, on the command line.
- `build` makes a source from settings.

Not here: which credential a call uses (`credentials.pool`).
"""
