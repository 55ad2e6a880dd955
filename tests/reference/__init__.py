"""The reference page of the contract, written from proto/ and nothing else.

`contract` asks buf for the descriptors, `prose` sets their comments, `page` lays them out.
`python -m tests.reference FOLDER` writes the page. Here and not in the server, since it needs buf,
which is installed for development alone.
"""
