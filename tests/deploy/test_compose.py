"""Does the compose stack fit together: by Compose's own loader, promtool, and our `check`?"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import ROOT, Json
from tests.support.tools import tool

STACK = ROOT / "deploy/compose"
NEEDED = {"PYTHON_IMAGE": "python:3.11-slim@sha256:" + "0" * 64, "GRAFANA_PASSWORD": "secret"}


def loaded(path: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Read a compose file as `docker compose config` does."""
    kept = {key: value for key, value in os.environ.items() if key not in NEEDED}
    command = [tool("container-check"), "compose", str(path)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**kept, **environment}
    )


@pytest.fixture(scope="module")
def services() -> Json:
    """Return the services of the stack."""
    done = loaded(STACK / "compose.yaml", NEEDED)
    assert done.returncode == 0, done.stderr
    project: Json = json.loads(done.stdout)
    found: Json = project["services"]
    return found


def yaml_of(name: str) -> Any:
    """Return a file of the stack."""
    return yaml.safe_load((STACK / name).read_text(encoding="utf-8"))


def test_it_says_what_it_needs() -> None:
    """Without a base image or a password there is no stack, and the message names the variable."""
    for missing in NEEDED:
        done = loaded(
            STACK / "compose.yaml",
            {name: value for name, value in NEEDED.items() if name != missing},
        )
        assert done.returncode == 1
        assert missing in done.stderr


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    """The loader goes by Compose's own schema."""
    text = (STACK / "compose.yaml").read_text(encoding="utf-8")
    path = tmp_path / "compose.yaml"
    path.write_text(text.replace("stop_grace_period", "stop_grace"), encoding="utf-8")
    done = loaded(path, NEEDED)
    assert done.returncode == 1
    assert "stop_grace" in done.stderr


def test_everything_is_hardened(services: Json) -> None:
    """Read-only roots, no capabilities, no way to new ones, and ports for this machine alone."""
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ())), name
        assert "latest" not in service["image"], name


def test_what_is_mounted_is_there(services: Json) -> None:
    """Every file and folder of this repository that a container is given exists."""
    sources = [
        Path(volume["source"])
        for service in services.values()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind"
    ]
    assert sources
    assert all(source.exists() for source in sources)
    build = services["sluice"]["build"]
    assert (Path(build["context"]) / build["dockerfile"]).is_file()


def test_a_changed_configuration_is_seen(services: Json) -> None:
    """Its folder is mounted: a file that an editor replaces would be another one outside."""
    image = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    (folder,) = [
        Path(volume["source"])
        for volume in services["sluice"]["volumes"]
        if volume["target"] == "/etc/sluice"
    ]
    assert (folder / "sluice.yaml").is_file()
    assert '"/etc/sluice/sluice.yaml"' in image


def test_grafana_finds_its_dashboards(services: Json) -> None:
    """What is mounted is where the provisioning looks, and the data source's variable is set."""
    targets = {volume["target"] for volume in services["grafana"]["volumes"]}
    provider = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/dashboards/sluice.yaml").read_text(encoding="utf-8")
    )
    assert {one["options"]["path"] for one in provider["providers"]} <= targets
    assert "/etc/grafana/provisioning" in targets
    assert services["grafana"]["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"


def test_prometheus_takes_its_configuration(services: Json, tmp_path: Path) -> None:
    """By promtool, rules included, with the files where the container has them."""
    shutil.copy(STACK / "prometheus.yaml", tmp_path)
    shutil.copytree(ROOT / "deploy/prometheus/rules", tmp_path / "rules")
    command = [tool("promtool"), "check", "config", str(tmp_path / "prometheus.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout
    (scraped,) = yaml_of("prometheus.yaml")["scrape_configs"]
    assert scraped["job_name"] == "sluice"
    assert scraped["static_configs"] == [{"targets": ["sluice:9464"]}]


def test_sluice_takes_its_configuration(services: Json) -> None:
    """`check` has no fault to tell, and what the file names are services of the stack."""
    path = STACK / "config/sluice.yaml"
    command = [sys.executable, "-m", "sluice_server", "check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    config = yaml_of("config/sluice.yaml")
    assert config["state"]["redis"].split("/")[2].split(":")[0] in services
    assert config["telemetry"]["otlp_endpoint"].split("/")[2].split(":")[0] in services


def test_the_collector_has_what_its_pipelines_name() -> None:
    """Each receiver, processor and exporter of a pipeline is set up, and each that is, is used."""
    config = yaml_of("otel-collector.yaml")
    pipelines = config["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for pipeline in pipelines for name in pipeline[kind]} == set(config[kind])
