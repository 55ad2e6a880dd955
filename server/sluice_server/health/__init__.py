"""Who is usable. `board` judges providers by what was seen of them."""
