"""One folder per wire format; they do not import each other."""
