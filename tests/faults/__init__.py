"""The fault suite: what a provider may do wrong, and what the caller must get of it.

    table/      the faults, a module for each group; add rows there
    dialects/   how each dialect says "text", "the end", "an error"
    fault       what a row is made of
    expected    what is right, written from the contract
    script      the little language of rows, and its bytes in a dialect
    runner      one cell: a real server, a real upstream, one call
    leftovers   what must not be left behind after a cell
    page        docs/reference/faults.md

`make faults` runs every row in every dialect it can occur in, then writes the page.
"""
