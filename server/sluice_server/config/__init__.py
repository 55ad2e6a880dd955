"""Settings: what an operator may say, and how it is read.

`settings` holds the models, `load` reads a file into them, `kinds` tells what a provider kind
needs. What the settings *do* belongs to the rooms that take them; which provider kinds exist is
told by the caller of `load`.
"""
