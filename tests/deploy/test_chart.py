"""Is what the chart renders what Kubernetes, its policies and Prometheus' operator take?

There is no cluster here: objects are held to schemas and rules, not admitted by one.
"""

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml

import sluice_server
from tests.deploy.charts import (
    CASES,
    CHART,
    NAMESPACE,
    RELEASE,
    RefusedError,
    case,
    container,
    helm,
    pod,
    rendered,
    text,
    the,
    with_values,
)
from tests.deploy.files import DASHBOARDS, RULES, Json
from tests.support.tools import tool

VERSIONS = ("1.30", "1.34", "1.37")
"""Of Kubernetes: the oldest that the chart admits, one between, the newest that is known here."""

KINDS = {
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PrometheusRule",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
}
OPERATOR = "monitoring.coreos.com/"
"""API group of Prometheus' operator; Kubernetes has no schema for it."""

each_case = pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)


def judged(objects: list[Json]) -> list[str]:
    """Return what Pod Security and the operator's types have against objects."""
    done = subprocess.run(
        [tool("chart-judge")],
        input="\n---\n".join(map(json.dumps, objects)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    assert bool(done.returncode) == bool(done.stdout)
    return done.stdout.splitlines()


@each_case
def test_helm_finds_nothing(path: Path) -> None:
    """No error and no warning."""
    helm("lint", "--strict", str(CHART), "--values", str(path))


@pytest.mark.parametrize("version", VERSIONS)
@each_case
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    """Strictly by the schemas of three versions: no unknown field, all of the right type."""
    for each in case(path):
        if not each["apiVersion"].startswith(OPERATOR):
            kubernetes_validate.validate(each, version, strict=True)


@each_case
def test_pod_security_admits_the_pods(path: Path) -> None:
    """Restricted, by the code of the admission; the operator's objects by its own types."""
    assert judged(case(path)) == []


def test_the_judges_are_strict() -> None:
    """A misspelt field and a privilege are found, each by its judge."""
    objects = case(CHART / "ci/everything.yaml")
    deployment = the("Deployment", objects)
    deployment["spec"]["template"]["spec"]["hostNetwork"] = True
    the("ServiceMonitor", objects)["spec"]["endpoints"][0]["intervall"] = "15s"
    the("PrometheusRule", objects)["spec"]["groups"][0]["rules"][0]["expr"] = ["a"]
    found = "\n".join(judged(objects))
    for fault in ("host namespaces", "intervall", "groups.rules.expr"):
        assert fault in found
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


def test_the_cases_show_every_kind() -> None:
    """What no case makes, no validator sees."""
    assert {each["kind"] for path in CASES for each in case(path)} == KINDS


def test_an_older_kubernetes_is_refused() -> None:
    """It would not know the native sleep."""
    with pytest.raises(RefusedError, match=r"kubeVersion: >=1\.30"):
        text("--values", str(CASES[0]), "--kube-version", "1.29")


@each_case
def test_rendering_twice_gives_the_same(path: Path) -> None:
    """Tools that compare what runs with what is rendered see no change where there is none."""
    arguments = (RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", str(path))
    assert helm("template", *arguments) == text("--values", str(path))


@pytest.mark.parametrize("release", ["a", "sluice", "a" * 53])
@pytest.mark.parametrize("name", [{}, {"nameOverride": "b" * 63}, {"fullnameOverride": "c" * 63}])
def test_names_and_labels_fit(release: str, name: dict[str, str]) -> None:
    """63 characters at most, however long what they are made of is, and all different."""
    words = [word for key, value in name.items() for word in ("--set", f"{key}={value}")]
    everything = ("--values", str(CHART / "ci/everything.yaml"), *words)
    objects = rendered(*everything, release=release)
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)
    for each in objects:
        metadata = each["metadata"]
        assert metadata["namespace"] == NAMESPACE
        for label in (metadata["name"], *metadata["labels"].values()):
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", label, re.IGNORECASE)


@each_case
def test_everything_is_about_the_same_pods(path: Path) -> None:
    """Selectors of all objects choose these pods, and every object has their labels."""
    objects = case(path)
    deployment = the("Deployment", objects)
    chosen = deployment["spec"]["selector"]["matchLabels"]
    pods = deployment["spec"]["template"]["metadata"]["labels"]
    assert chosen.items() <= pods.items()
    for each in objects:
        assert chosen.items() <= each["metadata"]["labels"].items()
        spec = each.get("spec", {})
        match each["kind"]:
            case "Service":
                assert spec["selector"] == chosen
            case "PodDisruptionBudget" | "ServiceMonitor":
                assert spec["selector"] == {"matchLabels": chosen}
            case "NetworkPolicy":
                assert spec["podSelector"] == {"matchLabels": chosen}
            case "HorizontalPodAutoscaler":
                assert spec["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
            case _:
                pass
    for spread in pod(objects).get("topologySpreadConstraints", ()):
        assert spread["labelSelector"] == {"matchLabels": chosen}


def test_an_upgrade_keeps_the_selectors(tmp_path: Path) -> None:
    """Kubernetes refuses a Deployment whose selector changes, so a version must not be in it."""
    newer = tmp_path / "sluice"
    shutil.copytree(CHART, newer)
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    about |= {"version": "9.9.9", "appVersion": "9.9.9"}
    (newer / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    minimal = ("--values", str(CHART / "ci/minimal.yaml"))
    before, after = rendered(*minimal), rendered(*minimal, "--set", "podLabels.a=b", chart=newer)
    assert (
        the("Deployment", before)["spec"]["selector"]
        == the("Deployment", after)["spec"]["selector"]
    )
    assert the("Service", before)["spec"]["selector"] == the("Service", after)["spec"]["selector"]
    assert container(after)["image"] == "sluice:9.9.9"


def test_the_chart_is_of_this_server() -> None:
    """The image that it names by default has the version of the server beside it."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["appVersion"] == sluice_server.__version__


def test_a_package_brings_rules_and_dashboards(tmp_path: Path) -> None:
    """They are links in the repository and files in the package, which is rendered alike."""
    helm("package", str(CHART), "--destination", str(tmp_path))
    (archive,) = tmp_path.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
        assert all(member.isfile() for member in tar.getmembers())
    packed = tmp_path / "sluice/files"
    for folder, originals in (("rules", RULES), ("dashboards", DASHBOARDS)):
        assert {path.name: path.read_bytes() for path in (packed / folder).iterdir()} == {
            path.name: path.read_bytes() for path in originals
        }
    values = ("--values", str(CHART / "ci/monitoring.yaml"))
    assert rendered(*values, chart=archive) == rendered(*values)


def test_rules_reach_prometheus_unchanged() -> None:
    """Every group as it is in the repository, templates of alerts included."""
    groups = the("PrometheusRule", case(CHART / "ci/monitoring.yaml"))["spec"]["groups"]
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    assert groups == [group for file in files for group in file["groups"]]


def test_it_can_be_part_of_another_chart(tmp_path: Path) -> None:
    """Helm then hands it `global`, which the schema must let pass."""
    umbrella = tmp_path / "umbrella"
    shutil.copytree(CHART, umbrella / "charts/sluice")
    about = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0"}
    (umbrella / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    values = yaml.safe_load((CHART / "ci/minimal.yaml").read_text(encoding="utf-8"))
    (umbrella / "values.yaml").write_text(
        yaml.safe_dump({"global": {"region": "eu"}, "sluice": values}), encoding="utf-8"
    )
    assert the("Deployment", rendered(chart=umbrella))["metadata"]["name"] == f"{RELEASE}-sluice"


def test_nothing_is_unavailable_while_replicas_are_replaced() -> None:
    """However many there are and whatever the surge is: first one more, then one less."""
    for values in ({}, {"replicas": 1}, {"rollout": {"maxSurge": "25%"}}):
        spec = the("Deployment", with_values(values))["spec"]
        rolling = spec["strategy"]["rollingUpdate"]
        assert spec["strategy"]["type"] == "RollingUpdate"
        assert rolling["maxUnavailable"] == 0
        surge = rolling["maxSurge"]
        # Percentages are rounded up, so neither is ever 0, which would stop every rollout.
        assert int(str(surge).rstrip("%")) > 0


def test_numbers_of_replicas_have_one_master() -> None:
    """With an autoscaler the Deployment names none: each upgrade would undo what it decided."""
    assert "replicas" not in the("Deployment", case(CHART / "ci/autoscaling.yaml"))["spec"]
    assert the("Deployment", case(CHART / "ci/minimal.yaml"))["spec"]["replicas"] == 2


@pytest.mark.parametrize(("drain", "pause"), [(1, 60), (30, 60), (600, 620), (7200, 1800)])
def test_the_autoscaler_waits_for_drains(drain: int, pause: int) -> None:
    """The next replica goes when the one before has drained, as far as Kubernetes can wait."""
    values = {
        "autoscaling": {"enabled": True},
        "config": {"server": {"drain_grace_seconds": drain}},
    }
    behaviour = the("HorizontalPodAutoscaler", with_values(values))["spec"]["behavior"]
    (policy,) = behaviour["scaleDown"]["policies"]
    assert policy == {"type": "Pods", "value": 1, "periodSeconds": pause}


def test_nobody_is_let_in_by_an_empty_list() -> None:
    """A rule without peers admits everybody; no peers must mean no rule."""
    nobody: Json = {"networkPolicy": {"callers": [], "monitoring": [], "health": []}}
    assert not the("NetworkPolicy", with_values(nobody))["spec"]["ingress"]
    for path in CASES:
        for policy in (each for each in case(path) if each["kind"] == "NetworkPolicy"):
            assert all(rule["from"] and rule["ports"] for rule in policy["spec"]["ingress"])
