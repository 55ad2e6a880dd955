"""Inbound: the only room that knows gRPC.

| module            | holds                                                       |
| ----------------- | ----------------------------------------------------------- |
| server            | ports, and what they serve                                  |
| bounds            | what gRPC bounds on every port before anything of ours runs |
| certificate_files | certificates that are read again at the handshake           |
| servicer          | the four RPCs                                               |
| intake            | how requests come in, and when handlers take them           |
| arrivals          | messages on their way in, and those that are too slow       |
| rpc               | what every RPC has in common, from its head to its log line |
| rooms             | what one configuration gives RPCs, and which is in force    |
| identity          | who is calling, and what they may do                        |
| gate              | places for calls that are worked on                         |
| validation        | whether a request keeps the contract                        |
| replay            | calls of the history that were judged wrong, made sendable  |
| status            | errors to gRPC statuses with details                        |
| pushback          | what client libraries are told about trying again           |
| metrics_snapshot  | what GetMetrics answers                                     |
| health            | our health to gRPC's health protocol                        |
| management        | the HTTP port: /metrics and the page                        |
| page              | the status page                                             |

What a turn does is the engine's business.
"""
