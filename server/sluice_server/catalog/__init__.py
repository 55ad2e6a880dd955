"""Which models can be called, what they can do and what they cost.

`catalog` answers ListModels from the lists that `source` keeps; `prices` is also what calls
are billed by.
"""
