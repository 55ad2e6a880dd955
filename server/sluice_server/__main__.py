"""The command line: `sluice-server serve | check | login | token`.

Reads arguments, loads the configuration, handles signals and says what is going
on in plain words. Everything else is done by `app` and below.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

import sluice_server
from sluice_server.app import App, Origin
from sluice_server.config.faults import ConfigurationError
from sluice_server.config.settings import Settings
from sluice_server.credentials.oauth import login
from sluice_server.credentials.oauth.store import SharedTokenStore
from sluice_server.edge.identity import command as token_command
from sluice_server.local import LocalModelMissingError
from sluice_server.providers.plugins import PluginError
from sluice_server.telemetry import logs

LOCAL_READY_SECONDS = 60.0
"""How long the welcome waits for the embedded model; a cold start takes one or two."""

_GC_THRESHOLD = 20_000
"""Allocations, less what was freed, between two looks of the collector. Calls free
what they made without its help; a higher value only kept garbage around."""

_QUESTION = (
    '{{"model":"{model}","messages":[{{"role":"ROLE_USER",'
    '"parts":[{{"text":"Write one sentence about rivers."}}]}}]}}'
)
_WELCOME = """
Sluice {version} serves {listen}{tls}

  List the models:
    grpcurl {plaintext}{listen} sluice.v1.GatewayService/ListModels

  Stream an answer:
    grpcurl {plaintext}-d '{question}' \\
      {listen} sluice.v1.GatewayService/Generate

  See how it is:
    {page}

  Health: grpc-health-probe -addr {health}    Metrics: {metrics}
  Stop with Ctrl-C: running answers get {grace:g} s, a second Ctrl-C ends them.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "token":
        return token_command.run(options, sys.stdin, sys.stdout, sys.stderr)
    try:
        origin = Origin(options.config, listen=getattr(options, "listen", None))
        settings = origin.read()
    except PluginError as error:
        return _failed(error)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    if options.command == "check":
        print(f"{options.config}: no faults.")
        return 0
    if options.command == "login":
        return _login(settings, options)
    writer = logs.configure(settings.telemetry)
    try:
        return uvloop.run(_serve(settings, origin, writer))
    except (OSError, LocalModelMissingError, PluginError) as error:
        return _failed(error)
    finally:
        writer.close()


def _login(settings: Settings, options: argparse.Namespace) -> int:
    configured = options.config is not None

    def say(text: str) -> None:
        print(text, flush=True)

    try:
        target = login.find(settings, options.provider, options.credential, configured=configured)
        uvloop.run(_log_in(settings, target, say))
    except login.LoginError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return _failed(login.LoginError("The login was broken off; nothing was changed."))
    say(login.next_step(target, configured=configured))
    return 0


async def _log_in(settings: Settings, target: login.Target, say: Callable[[str], None]) -> None:
    redis = settings.state.redis
    if redis is None:
        await login.login(target, say)
        return
    # Only those who share state need what it takes.
    from sluice_server.state.redis.values import RedisValues

    values = RedisValues(redis.get_secret_value())
    try:
        await login.login(target, say, store=SharedTokenStore(values))
    finally:
        await values.aclose()


def _failed(error: Exception) -> int:
    for line in str(error).splitlines():
        print(f"sluice-server: {line}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluice-server", description="One typed, streaming gRPC API in front of AI providers."
    )
    parser.add_argument("--version", action="version", version=sluice_server.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="start the server",
        description="Start the server. Without --config: the embedded model, and every provider "
        "whose usual key variable is set.",
    )
    serve.add_argument("--config", type=Path, metavar="FILE", help="configuration, YAML")
    serve.add_argument("--listen", metavar="ADDR", help="host:port in place of the configured one")
    check = commands.add_parser(
        "check",
        help="judge a configuration",
        description="Report all faults of a configuration at once; exit code 1 if there are any.",
    )
    check.add_argument(
        "--config", type=Path, metavar="FILE", required=True, help="configuration, YAML"
    )
    log_in = commands.add_parser(
        "login",
        help="log in to a provider",
        description="Log in with the account of a person, where a credential has an oauth grant "
        "that wants one (device, openrouter). Without --config: openrouter only.",
    )
    log_in.add_argument("provider", metavar="PROVIDER", help="name of the provider")
    log_in.add_argument("--config", type=Path, metavar="FILE", help="configuration, YAML")
    log_in.add_argument(
        "--credential", metavar="NAME", help="which credential, where several log in"
    )
    token_command.add_to(commands)
    return parser


async def _serve(settings: Settings, origin: Origin, writer: logs.LineWriter) -> int:
    stop = asyncio.Event()
    hurry = asyncio.Event()

    def signalled() -> None:
        # The first asks for a drain, the second for its end.
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    app = await App.start(settings, origin)
    if origin.path is not None:
        # Without a file there is nothing to read again: a terminal that goes away ends the server.
        loop.add_signal_handler(signal.SIGHUP, app.reload_soon, "signal")
    _calm_garbage_collection()
    writer.on_lost = app.metrics.log_lines_lost.inc
    try:
        welcome = asyncio.create_task(_welcome(app, settings))
        await stop.wait()
        welcome.cancel()
        drain = asyncio.create_task(app.drain())
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait((drain, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if drain.done():
            return 1 if drain.result() else 0
        drain.cancel()
        await app.drain(0)
        return 1
    finally:
        await app.close()


def _calm_garbage_collection() -> None:
    """Let the collector look at calls only, and less often.

    What start-up made stays until the end; walking it again and again cost 5 %
    of a call, and stops the event loop for milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


async def _welcome(app: App, settings: Settings) -> None:
    """Print what a newcomer can do next, once the embedded model can answer."""
    if not sys.stdout.isatty() and settings.telemetry.log_format == "json":
        return
    await app.wait_local_ready(LOCAL_READY_SECONDS)
    http = f"http://{app.metrics_address}/" if app.metrics_address else ""
    print(
        _WELCOME.format(
            version=sluice_server.__version__,
            listen=app.listen_address,
            tls=" with TLS" if settings.tls else "",
            plaintext="" if settings.tls else "-plaintext ",
            question=_QUESTION.format(
                model=next(iter(app.model_names), f"{next(iter(settings.providers), '')}/…")
            ),
            health=app.health_address or "(closed)",
            page=http if http and settings.management.page else "(no page)",
            metrics=f"{http}metrics" if http else "(closed)",
            grace=settings.server.drain_grace_seconds,
        ),
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
