"""Which models can be called. `catalog` lists them, `nearest` finds the nearest."""
