"""The reference page of the contract, written from proto/ and nothing else.

`descriptors` asks buf what is in proto/, `contract` is that as data, `prose` sets comments,
`tables` sets types, `page` puts them in order. `python -m tests.reference FOLDER` writes the page.
Here and not in the server, since it needs buf, which is installed for development alone.
"""
