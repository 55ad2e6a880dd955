"""Python client of Sluice.

The contract's generated messages and stubs live in `sluice.v1`, the options of a channel
in `sluice.connection`. Nothing here opens a connection; what a server needs to run is in
`sluice_server`.
"""
