"""The command line of a client, `sluice`: one module or package per command.

`options` has what every command takes, `client` connects, `errors` tells failures in plain
words and as exit codes, `text` writes values for people. `program` puts the commands
together. What is here needs the extra `cli` of sluice-client; the library never imports it.
"""
