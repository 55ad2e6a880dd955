"""The command line of a client, `sluice`: one module or package per command.

`streams` comes before everything else. `options` has what every command takes, `client`
connects, `running` runs and ends a command, `errors` tells failures in plain words and as exit
codes; `watching` asks again and again, `documents` writes JSON, `columns` draws tables and
`text` values for people. What `generate` and `chat` share is in `turn`. `program` puts the
commands together. What is here needs the extra `cli` of sluice-client; the library never
imports it.
"""
