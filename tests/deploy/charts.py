"""Renders the Helm chart in `deploy/kubernetes`, with Helm itself."""

import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.files import ROOT, Json
from tests.support.tools import tool

CHART = ROOT / "deploy/kubernetes/sluice"
CASES = sorted((CHART / "ci").glob("*.yaml"))
"""Values of which each shows another side of the chart."""

RELEASE, NAMESPACE = "team-a", "gateways"


class RefusedError(Exception):
    """Helm did not render; the text is what it says."""


def helm(*arguments: str) -> str:
    """Run Helm and return its output; no settings of this machine count.

    Raises:
        RefusedError: it failed.
    """
    with tempfile.TemporaryDirectory() as home:
        own = {name: f"{home}/{name}" for name in ("CONFIG", "CACHE", "DATA")}
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            **{f"HELM_{name}_HOME": path for name, path in own.items()},
        }
        done = subprocess.run(
            [tool("helm"), *arguments], capture_output=True, text=True, check=False, env=environ
        )
    if done.returncode:
        raise RefusedError(done.stdout + done.stderr)
    return done.stdout


@functools.cache
def text(*arguments: str, chart: Path = CHART, release: str = RELEASE) -> str:
    """Return what `helm template` prints with these further arguments."""
    return helm("template", release, str(chart), "--namespace", NAMESPACE, *arguments)


def rendered(*arguments: str, chart: Path = CHART, release: str = RELEASE) -> list[Json]:
    """Return the objects that `helm template` makes, in order."""
    return documents(text(*arguments, chart=chart, release=release))


def documents(output: str) -> list[Json]:
    """Return the objects in YAML; by the loader in C, since dashboards are long."""
    return [each for each in yaml.load_all(output, Loader=yaml.CSafeLoader) if each]


def case(path: Path) -> list[Json]:
    """Return the objects of one of `CASES`."""
    return rendered("--values", str(path))


def with_values(values: Mapping[str, Any], *arguments: str) -> list[Json]:
    """Return the objects of the case `minimal` with these values on top."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.json"
        # JSON, since the YAML of Go and of Python differ in what needs quotes.
        path.write_text(json.dumps(values), encoding="utf-8")
        # Not `rendered`, which would remember the name of a file that is gone.
        minimal = str(CHART / "ci/minimal.yaml")
        files = ["--values", minimal, "--values", str(path)]
        output = helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *files, *arguments)
    return documents(output)


def the(kind: str, objects: list[Json]) -> Json:
    """Return the first object of a kind.

    Raises:
        StopIteration: there is none.
    """
    return next(each for each in objects if each["kind"] == kind)


def pod(objects: list[Json]) -> Json:
    """Return what the Deployment says of its pods."""
    spec: Json = the("Deployment", objects)["spec"]["template"]["spec"]
    return spec


def container(objects: list[Json]) -> Json:
    """Return the pod's container."""
    (only,) = pod(objects)["containers"]
    return dict(only)


def server_config(objects: list[Json]) -> str:
    """Return the server's configuration, as it will lie in the pod."""
    return next(str(each["data"]["sluice.yaml"]) for each in objects if is_config(each))


def is_config(each: Json) -> bool:
    """Return whether an object is the ConfigMap with the configuration."""
    return each["kind"] == "ConfigMap" and "sluice.yaml" in each["data"]
