"""The composition root: the only room that builds things and introduces them.

`replica` has the order in which a replica starts and drains. `premises` opens what lives as long
as the process, `fitting` makes of it what one configuration wants, and `reloading` puts one in
the place of another; `origin` reads them, `watching` notices that a file changed.

A fitting's parts: `suppliers` are providers with their credentials, `catalog` lists their models,
`turns` makes the engine. `sharing` opens what replicas share, `embedded` serves the embedded model
as a provider, `asking` asks providers outside of calls. Nothing here decides anything about calls.
"""

from sluice_server.app.origin import Origin
from sluice_server.app.replica import App

__all__ = ["App", "Origin"]
