"""Are the chart's values what its table says, and are wrong ones refused in words that help?"""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.chart_values import README, described, table, with_table
from tests.deploy.charts import CHART, RefusedError, helm, pod, rendered, server_config, with_values
from tests.deploy.files import Json

VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"


def test_the_table_is_made_of_the_values() -> None:
    """Run `python -m tests.deploy.chart_values` after a change of values.yaml."""
    written = README.read_text(encoding="utf-8")
    assert written == with_table(written, table(VALUES.read_text(encoding="utf-8")))


def test_every_value_is_described() -> None:
    """Each has a sentence of its own; what is a list or free has it at its head."""
    values = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    rows = dict(described(VALUES.read_text(encoding="utf-8")))
    for path, _ in leaves(values, rows):
        assert rows[path].endswith((".", ":")), path


def leaves(values: Json, known: dict[str, str], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield values with their paths; what no comment divides is one value."""
    for key, value in values.items():
        path = f"{above}{key}"
        inside = isinstance(value, dict) and any(each.startswith(f"{path}.") for each in known)
        if inside:
            yield from leaves(value, known, f"{path}.")
        else:
            yield path, value


def test_the_schema_has_every_value_and_no_other() -> None:
    """What can be set is what is described, apart from what Helm itself hands over."""
    rows = dict(described(VALUES.read_text(encoding="utf-8")))
    values = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert set(schema["properties"]) == {*values, "global"}
    for path, section in sections(schema):
        if section.get("additionalProperties") is False and path:
            assert {f"{path}.{key}" for key in section["properties"]} >= {
                row for row in rows if row.rpartition(".")[0] == path
            }, path
    for path, _ in leaves(values, rows):
        place = schema
        for key in path.split("."):
            place = place["properties"][key]


def sections(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the objects of a schema that have named keys."""
    if "properties" in schema:
        yield path, schema
        for key, inner in schema["properties"].items():
            yield from sections(inner, f"{path}.{key}".lstrip("."))


def test_a_typo_is_refused_everywhere() -> None:
    """In every section but those that belong to Kubernetes or to the server."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    closed = [path for path, section in sections(schema) if path != "" and strict(section)]
    assert len(closed) > 15
    values: Json = {"typo": 1}
    for path in closed:
        section = values
        for key in path.split("."):
            section = section.setdefault(key, {})
        section["typo"] = 1
    with pytest.raises(RefusedError) as refused:
        with_values(values)
    for path in ("", *closed):
        place = path.replace(".", "/")
        assert f"at '/{place}'".replace("'/'", "''") in str(refused.value)
    assert str(refused.value).count("additional properties 'typo' not allowed") == len(closed) + 1


def strict(section: Json) -> bool:
    """Return whether a section of the schema refuses unknown keys."""
    return section.get("additionalProperties") is False


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replicas": 0}, "/replicas"),
        ({"replicas": "2"}, "/replicas"),
        ({"configReload": "sometimes"}, "/configReload"),
        ({"rollout": {"maxSurge": 0}}, "/rollout/maxSurge"),
        ({"rollout": {"maxSurge": "0%"}}, "/rollout/maxSurge"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"shutdown": {"preStopSeconds": -1}}, "/shutdown/preStopSeconds"),
        ({"shutdown": {"preStopSeconds": "5s"}}, "/shutdown/preStopSeconds"),
        ({"networkPolicy": {"providerPorts": [70000]}}, "/networkPolicy/providerPorts/0"),
        ({"autoscaling": {"scaleDownWindowSeconds": 3601}}, "/autoscaling/scaleDownWindowSeconds"),
        ({"monitoring": {"serviceMonitor": {"interval": "15"}}}, "/monitoring/serviceMonitor"),
        ({"secrets": {"inline": {"not-a-variable": "x"}}}, "not-a-variable"),
        ({"secrets": {"inline": {"NUMBER": 5}}}, "/secrets/inline/NUMBER"),
        ({"stateVolume": {"emptyDir": {}, "hostPath": {}}}, "/stateVolume"),
        ({"tls": {"existingSecret": "Not A Name"}}, "/tls/existingSecret"),
        ({"config": {"listen": "0.0.0.0"}}, "/config/listen"),
        ({"config": {"management": {"health": None}}}, "health"),
    ],
    ids=str,
)
def test_the_schema_refuses(values: Json, words: str) -> None:
    """With the place of the value."""
    with pytest.raises(RefusedError) as refused:
        with_values(values)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"config": {"listen": "127.0.0.1:50051"}},
            "config.listen: listens on loopback, where nothing outside of the pod reaches it",
        ),
        (
            {"config": {"management": {"health": "[::1]:50052"}}},
            "config.management.health: listens",
        ),
        ({"config": {"listen": "0.0.0.0:0"}}, "config.listen: must be host:port with a fixed port"),
        ({"config": {"insecure": False}}, "config: everybody could call"),
        (
            {"config": {"insecure": False}, "tls": {"existingSecret": "tls"}},
            "config: everybody could call",
        ),
        ({"config": {"providers": None}}, "config.providers: names nobody"),
        (
            {"config": {"tls": {"cert": "a", "key": "b"}}, "tls": {"existingSecret": "tls"}},
            "tls.existingSecret: config.tls says it already",
        ),
        (
            {"tls": {"clientCa": {"existingSecret": "clients"}}},
            "tls.clientCa.existingSecret: wants tls.existingSecret",
        ),
        (
            {"config": {"state": {"redis": "redis://a"}}, "redis": {"existingSecret": "redis"}},
            "redis.existingSecret: config.state.redis says it already",
        ),
        (
            {"config": {"server": {"drain_grace_seconds": "${DRAIN}"}}},
            "config.server.drain_grace_seconds: must be a number here",
        ),
        (
            {"shutdown": {"gracePeriodSeconds": 49}},
            "shutdown.gracePeriodSeconds: is 49, but sleep, drain and margin take 50",
        ),
        (
            {"config": {"management": {"metrics": None}}, "autoscaling": {"enabled": True}},
            "config.management.metrics: is closed",
        ),
        ({"autoscaling": {"enabled": True, "maxReplicas": 1}}, "autoscaling.minReplicas: is more"),
        (
            {"autoscaling": {"enabled": True, "activeStreams": None, "cpuPercent": None}},
            "autoscaling: has nothing to go by",
        ),
        (
            {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}},
            "autoscaling.cpuPercent: is a share of resources.requests.cpu",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(values: Json, words: str) -> None:
    """In the server's voice: the key, what is wrong, what to do."""
    with pytest.raises(RefusedError) as refused:
        with_values(values)
    assert f"1 faults in the values:\n  {words}" in str(refused.value)


def test_defaults_alone_are_refused_with_all_that_is_missing() -> None:
    """A gateway that everybody may use, or that has nobody to ask, is nobody's wish."""
    with pytest.raises(RefusedError) as refused:
        rendered()
    assert "2 faults in the values" in str(refused.value)
    assert "config: everybody could call" in str(refused.value)
    assert "config.providers: names nobody" in str(refused.value)


@pytest.mark.parametrize("drain", [None, 0, 0.5, 30, 86_400])
@pytest.mark.parametrize(("sleep", "margin"), [(5, 15), (0, 0), (20, 60)])
def test_a_pod_has_time_to_end(drain: float | None, sleep: int, margin: int) -> None:
    """Sleep, drain and margin fit into the grace period; without a sleep there is no hook."""
    server = {} if drain is None else {"drain_grace_seconds": drain}
    shutdown = {"preStopSeconds": sleep, "marginSeconds": margin}
    objects = with_values({"config": {"server": server}, "shutdown": shutdown})
    needed = sleep + math.ceil(30 if drain is None else drain) + margin
    # Kubernetes takes 0 for "kill at once", and a pod that is to drain 0 s asked for just that.
    assert pod(objects)["terminationGracePeriodSeconds"] == needed
    (only,) = pod(objects)["containers"]
    hook = {"preStop": {"sleep": {"seconds": sleep}}} if sleep else None
    assert only.get("lifecycle") == hook


def test_a_longer_grace_is_the_operators_choice() -> None:
    """More than needed is taken as it is."""
    assert (
        pod(with_values({"shutdown": {"gracePeriodSeconds": 300}}))["terminationGracePeriodSeconds"]
        == 300
    )


def test_numbers_and_references_reach_the_server_as_written() -> None:
    """No large number in powers of ten, no `${NAME}` filled in by anybody but the server."""
    large = {"max_request_bytes": 1_073_741_824, "drain_grace_seconds": 1.5}
    odd = {"a": "$${plain}", "b": "{{ .Release.Name }}", "c": "yes", "d": "1e3", "e": "${X:-y}"}
    objects = with_values({"config": {"server": large, "model_labels": odd}})
    assert "1073741824" in server_config(objects)
    read = yaml.safe_load(server_config(objects))
    assert read["server"] == large
    assert read["model_labels"] == odd


def checksums(objects: list[Json]) -> Json:
    """Return the annotations by which pods are replaced."""
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    found: Json = deployment["spec"]["template"]["metadata"].get("annotations", {})
    return {name: value for name, value in found.items() if name.startswith("checksum/")}


def test_pods_are_replaced_when_what_they_read_changes() -> None:
    """With `restart` by a changed configuration, with `hot` only by changed variables."""
    changed = {"config": {"server": {"max_active_calls": 500}}}
    hot: Json = {"configReload": "hot"}
    assert checksums(with_values({})) == checksums(with_values({}))
    assert checksums(with_values({})) != checksums(with_values(changed))
    assert checksums(with_values(hot)) == checksums(with_values(hot | changed)) == {}
    one, other = ({"secrets": {"inline": {"KEY": word}}} for word in ("one", "other"))
    assert checksums(with_values(hot | one)) != checksums(with_values(hot | other))
    # What Redis and TLS add to the configuration counts as well.
    assert checksums(with_values({"redis": {"existingSecret": "a"}})) != checksums(with_values({}))


@pytest.mark.parametrize("callers", [[], [{"name": "checkout", "token": "${TOKEN}"}]])
def test_notes_say_what_to_type_and_what_to_mind(callers: list[Json]) -> None:
    """Lines that can be copied, and a warning for whatever is open."""
    values = {"secrets": {"inline": {"TOKEN": "x" * 16}}, "config": {"callers": callers}}
    minimal = str(CHART / "ci/minimal.yaml")
    notes = helm(
        *("install", "demo", str(CHART), "--dry-run=client", "--values", minimal),
        *("--set-json", f"secrets={json.dumps(values['secrets'])}"),
        *("--set-json", f"config.callers={json.dumps(callers)}", "--set", "replicas=1"),
    )
    token = ' -H "authorization: Bearer $TOKEN"' if callers else ""
    assert "kubectl -n default port-forward deployment/demo-sluice 50051" in notes
    line = f"grpcurl -plaintext{token} 127.0.0.1:50051 sluice.v1.GatewayService/ListModels"
    assert line in notes
    assert "dns:///demo-sluice.default.svc:50051" in notes
    warned = ["plaintext", "secrets.inline", "one replica", *([] if callers else ["admits"])]
    warnings = [row for row in notes.splitlines() if row.startswith("WARNING")]
    assert len(warnings) == len(warned)
    for word in warned:
        assert any(word in warning for warning in warnings)


def test_notes_know_of_client_certificates() -> None:
    """Without them the line would end with a handshake that failed."""
    values = str(CHART / "ci/mutual-tls.yaml")
    notes = helm("install", "demo", str(CHART), "--dry-run=client", "--values", values)
    assert "grpcurl -cacert ca.pem" in notes
    assert "-cert client.pem -key client.key -H" in notes
    assert "WARNING" not in notes
