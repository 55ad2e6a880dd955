"""One turn of a model, as `sluice generate` and `sluice chat` share it.

`options` makes a request of options, with the files that they name read in `files`, `tools`
and `schema`; `play` runs it, `show` writes what comes, and `ending` tells how it ended.
"""
