"""The composition root: the only room that builds things and introduces them.

`replica` has the order in which a replica starts and drains. `upstreams` makes providers
with their credentials, `sharing` opens what replicas share, `turns` makes the engine,
`embedded` serves the embedded model as a provider, `asking` asks providers outside of
calls. Nothing here decides anything about calls.
"""

from sluice_server.app.replica import App

__all__ = ["App"]
