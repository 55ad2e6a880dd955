"""How much room is left upstream, and who may go.

`estimate` tells how large a call will be, `own` which limits of the operator's it must
keep. `admission` lets calls go or wait, with `line` for their order, `leases` for what
they hold while they run, `shortage` for what is said to those that fail, and `pools` for
what it wants of credentials. `known` remembers who was ever heard of, `snapshot` answers
GetRateLimits. The numbers are kept in `state`, headers are read by dialects.
"""
