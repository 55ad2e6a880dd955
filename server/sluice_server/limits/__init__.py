"""How much room is left upstream. `book` remembers what providers said."""
