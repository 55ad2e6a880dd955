"""Does the server take what the chart gives it, and answer the probes that the chart names?"""

import asyncio
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from sluice_server.__main__ import main
from tests.deploy.chart_values import README
from tests.deploy.charts import (
    CASES,
    CHART,
    case,
    container,
    pod,
    rendered,
    server_config,
    the,
    with_values,
)
from tests.deploy.files import Json
from tests.support.certificates import certificates
from tests.support.configuration import configuration
from tests.support.process import ServerProcess, server_process
from tests.support.server import running
from tests.support.tools import tool
from tests.support.upstream import Upstream

SECRETS = {
    "SLUICE_REDIS_URL": "rediss://sluice:password@redis.example:6379/0",
    "CHECKOUT_TOKEN": "a-token-of-some-length",
    "OPENAI_API_KEY": "a-key",
}
"""What a case's secrets hold, which the chart only names."""

PEMS = {"tls.crt": "server.pem", "tls.key": "server.key"}
"""What stands for mounted files; any other one is an authority's certificate."""

each_case = pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)


def environment(objects: list[Json]) -> dict[str, str]:
    """Return the variables of the container."""
    only = container(objects)
    found: dict[str, str] = {}
    inline = [each["stringData"] for each in objects if each["kind"] == "Secret"]
    for _ in only.get("envFrom", ()):
        found |= {name: value for name, value in SECRETS.items() if not name.startswith("SLUICE")}
    for secret in inline:
        found |= secret
    for variable in only["env"]:
        found[variable["name"]] = variable.get("value") or SECRETS[variable["name"]]
    return found


def judge(config: str, environ: Mapping[str, str], folder: Path, patch: pytest.MonkeyPatch) -> int:
    """Run `sluice-server check` with this environment and no other variable of ours."""
    path = folder / "sluice.yaml"
    path.write_text(config, encoding="utf-8")
    for name in SECRETS:
        patch.delenv(name, raising=False)
    for name, value in environ.items():
        patch.setenv(name, value)
    return main(["check", "--config", str(path)])


@each_case
def test_the_server_takes_the_configuration(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the variables that the pod has, and by the command that operators use."""
    objects = case(path)
    config = laid_out(server_config(objects), tmp_path)
    code = judge(config, environment(objects), tmp_path, monkeypatch)
    assert code == 0, capsys.readouterr().err


def test_the_readme_begins_with_values_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever copies them gets pods that start."""
    (block,) = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    values = tmp_path / "my-values.yaml"
    values.write_text(block, encoding="utf-8")
    objects = rendered("--values", str(values))
    config = laid_out(server_config(objects), tmp_path)
    code = judge(config, environment(objects), tmp_path, monkeypatch)
    assert code == 0, capsys.readouterr().err


def laid_out(config: str, folder: Path) -> str:
    """Make the files that a configuration names, below a folder, and name them there."""
    (pems := folder / "pems").mkdir()
    certificates(pems)
    for file in files(yaml.safe_load(config)):
        place = folder / file.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pems / PEMS.get(place.name, "ca.pem"), place)
        config = config.replace(file, str(place))
    return config


def test_a_variable_that_no_secret_brings_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check above would pass without any of the chart's variables, were it not so."""
    objects = with_values({"secrets": {"existing": []}})
    assert judge(server_config(objects), environment(objects), tmp_path, monkeypatch) == 1
    assert "OPENAI_API_KEY" in capsys.readouterr().err


@each_case
def test_files_that_the_server_reads_are_mounted(path: Path) -> None:
    """Each lies below a directory that is mounted, and no mount is a single file."""
    objects = case(path)
    mounts = container(objects)["volumeMounts"]
    assert not any("subPath" in mount for mount in mounts)
    assert {mount["name"] for mount in mounts} == {
        volume["name"] for volume in pod(objects)["volumes"]
    }
    places = [PurePosixPath(mount["mountPath"]) for mount in mounts]
    for file in files(yaml.safe_load(server_config(objects))):
        assert any(PurePosixPath(file).is_relative_to(place) for place in places), file


def files(value: Any) -> Iterator[str]:
    """Yield the absolute paths in a configuration."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from files(inner)
    elif isinstance(value, str) and value.startswith("/"):
        yield value


def test_mutual_tls_names_its_files() -> None:
    """The three of them; the key is for the group of the pod and for nobody else."""
    objects = case(CHART / "ci/everything.yaml")
    assert list(files(yaml.safe_load(server_config(objects))["tls"])) == [
        "/etc/sluice-tls/tls.crt",
        "/etc/sluice-client-ca/bundle.pem",
        "/etc/sluice-tls/tls.key",
    ]
    secrets = [each["secret"] for each in pod(objects)["volumes"] if "secret" in each]
    assert [secret["defaultMode"] for secret in secrets] == [0o440, 0o440]


@each_case
def test_ports_are_those_that_the_server_opens(path: Path) -> None:
    """Of container, probes, services and policy, whatever the configuration says."""
    objects = case(path)
    config = yaml.safe_load(server_config(objects))
    addresses = {"grpc": config["listen"], **config["management"]}
    opened = {name: port(text) for name, text in addresses.items() if isinstance(text, str)}
    only = container(objects)
    assert {each["name"]: each["containerPort"] for each in only["ports"]} == opened
    for kind in ("startup", "liveness", "readiness"):
        assert only[f"{kind}Probe"]["grpc"]["port"] == opened["health"]
    for service in (each["spec"] for each in objects if each["kind"] == "Service"):
        for each in service["ports"]:
            assert each["port"] == opened[each["targetPort"]]
    for policy in (each["spec"] for each in objects if each["kind"] == "NetworkPolicy"):
        named = {each["port"] for rule in policy["ingress"] for each in rule["ports"]}
        assert named <= set(opened.values())
        assert opened["grpc"] in named


def port(address: str) -> int:
    """Return the port of an address."""
    found = re.search(r"[0-9]+$", address)
    assert found
    return int(found[0])


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def asked(probe: Json) -> int:
    """Ask as a kubelet does, and return the exit code: 0 for SERVING."""
    process = await asyncio.create_subprocess_exec(
        tool("grpc-health-probe"),
        f"-addr=127.0.0.1:{probe['grpc']['port']}",
        f"-service={probe['grpc']['service']}",
        f"-rpc-timeout={probe['timeoutSeconds']}s",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def exit_codes(objects: list[Json]) -> list[int]:
    """Return the answers to the three probes of the container."""
    only = container(objects)
    kinds = ("startup", "liveness", "readiness")
    return [await asked(only[f"{kind}Probe"]) for kind in kinds]


async def started(server: ServerProcess, config: Json) -> None:
    """Check that it listens where its configuration says."""
    assert server.started["listen"] == config["listen"]
    assert server.started["health"] == config["management"]["health"]


async def test_the_server_answers_the_probes_of_the_chart() -> None:
    """The rendered configuration runs, each probe is SERVING, and an unknown service is not."""
    main_port, health, metrics = free_ports(3)
    addresses = {
        "listen": f"0.0.0.0:{main_port}",
        "management": {"health": f"0.0.0.0:{health}", "metrics": f"0.0.0.0:{metrics}"},
        "catalog": {"persist": False},
        "health": {"probe_interval_seconds": None},
        "telemetry": {"log_format": "json"},
    }
    objects = with_values({"config": addresses})
    wrong = with_values(
        {"config": addresses, "probes": {"readiness": {"service": "sluice.v1.Gateway"}}}
    )
    config = yaml.safe_load(server_config(objects))
    async with server_process(config, environment=environment(objects)) as server:
        await started(server, config)
        assert await exit_codes(objects) == [0, 0, 0]
        *_, readiness = await exit_codes(wrong)
        assert readiness != 0
        server.terminate()
        # No call runs, so the drain is short; the pod's grace is the most that it may take.
        assert await server.wait(within=pod(objects)["terminationGracePeriodSeconds"]) == 0


async def test_the_autoscaler_goes_by_a_metric_that_is_served() -> None:
    """A wrong name would leave the deployment as small as it is, without an error here."""
    metrics = the("HorizontalPodAutoscaler", case(CHART / "ci/autoscaling.yaml"))["spec"]["metrics"]
    (name,) = [each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"]
    async with Upstream() as upstream, running(configuration(upstream)) as server:
        assert name in {sample for sample, _ in await server.scrape()}
