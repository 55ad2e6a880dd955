"""Inbound: the only room that knows gRPC.

| module     | holds                                                        |
| ---------- | ------------------------------------------------------------ |
| server     | ports and their options                                      |
| bounds     | what gRPC bounds on every port before anything of ours runs  |
| servicer   | the four RPCs                                                |
| intake     | how requests come in, and when handlers take them            |
| arrivals   | messages on their way in, and those that are too slow        |
| rpc        | what every RPC has in common, from its head to its log line  |
| validation | whether a request keeps the contract                         |
| status     | errors to gRPC statuses with details                         |
| pushback   | what client libraries are told about trying again            |
| callers    | who is calling                                               |
| health     | our health to gRPC's health protocol                         |
| management | the HTTP port with /metrics                                  |

What a turn does is the engine's business.
"""
