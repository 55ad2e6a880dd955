"""The program of the child process: llama.cpp's HTTP server on a loopback port.

Started by `supervisor` as `python -m sluice_server.local.child`. Reads one line of JSON, the
settings, from its standard input; says on its standard output, in JSON lines, what it has reached;
ends when its standard input ends, because then its parent is gone or wants it to end.

Not here: restarting, ports, states. This module imports nothing of the server, so that the child
stays small.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import threading
from typing import Any, Final

from sluice_server.local.handover import ChildSettings

NICENESS: Final = 10
"""Added to the child's niceness: the gateway goes first when cores are short."""

HTTP_THREADS_BESIDE_SLOTS: Final = 2
"""llama.cpp's HTTP server gives a thread to every open connection, and starts more when all of
these are taken (seen: a health probe is answered within milliseconds beside 20 open streams)."""

PROMPT_BATCH_TOKENS: Final = 128
"""How much of a prompt is read in one go, about 0.7 s of work for SmolLM2 135M on one thread.

Between two batches the other slots write, and a request whose caller left is dropped. With
llama.cpp's default of 2048, reading went on for 10 s after the connection was closed.
"""

LOG_ERRORS_ONLY: Final = 1
"""llama.cpp's verbosity. At 2 (warnings) it logs the reasons for refusals, which quote requests; at
3, its default, and above it logs more. 0 would also hide why a model cannot be loaded."""

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def main() -> None:
    """Serve until the parent closes our standard input."""
    report = _keep_stdout_for_reports()
    # The parent decides when we end, by the pipe: a Ctrl-C or a service manager that signals the
    # whole group must not cut the answers the parent is still draining.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    settings = ChildSettings.from_line(_read_line())
    _die_with_parent(settings.parent_pid)
    os.nice(NICENESS)
    # llama.cpp holds the interpreter's lock while it loads: until then only the kernel's signal
    # (Linux) ends us with our parent; elsewhere this thread does it right after loading.
    watcher = threading.Thread(target=_exit_at_end_of_input, daemon=True)
    watcher.start()
    server = _serve(settings)
    os.write(report, json.dumps({"event": "ready", "url": server.listening_address}).encode())
    os.write(report, b"\n")
    watcher.join()


def _keep_stdout_for_reports() -> int:
    """Return a descriptor for reports; whatever else is printed goes to standard error."""
    report = os.dup(1)
    os.dup2(2, 1)
    return report


def _read_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            raise SystemExit("standard input ended before the settings did")
        line += piece
    return line


def _die_with_parent(parent_pid: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died before the line above.
    if os.getppid() != parent_pid:
        raise SystemExit("the parent is gone")


def _exit_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    # Not sys.exit: it would wait for llama.cpp's threads, and there is nothing to save.
    os._exit(0)


def _serve(settings: ChildSettings) -> Any:
    llama = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = settings.model_path
    params.model_alias = {settings.alias}
    params.chat_template = settings.chat_template
    params.use_jinja = True

    params.hostnames = ["127.0.0.1"]
    params.port = settings.port
    # The parent holds this port with a socket that is bound but never listens, so that nobody else
    # gets it between two lives of ours.
    params.reuse_port = True
    params.api_keys = [settings.api_key]
    params.n_threads_http = settings.slots + HTTP_THREADS_BESIDE_SLOTS
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = LOG_ERRORS_ONLY

    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.n_gpu_layers = 0
    params.n_parallel = settings.slots
    params.n_ctx = settings.slots * settings.context_tokens
    params.fit_params = False
    # Prompts of idle slots would be kept in up to 8 GiB of memory.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.n_predict = settings.default_output_tokens
    params.n_batch = PROMPT_BATCH_TOKENS
    params.n_ubatch = PROMPT_BATCH_TOKENS
    params.sampling.temp = settings.temperature
    params.sampling.top_p = settings.top_p
    params.sampling.penalty_repeat = settings.repeat_penalty
    params.sampling.penalty_last_n = settings.repeat_window
    try:
        return llama.Server(params)
    except RuntimeError as error:
        # llama.cpp has printed the reason; a trace of ours would push it out of sight.
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
