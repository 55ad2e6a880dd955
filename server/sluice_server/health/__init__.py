"""Who is usable.

`breakers` stops calls to what fails, `board` judges providers by what was seen of them.
"""
