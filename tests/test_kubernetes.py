"""The manifests of `deploy/kubernetes/`: what Kubernetes accepts, and what the server and its image have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from emberline.engine.config import EngineConfig
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.server.config import ServerConfig
from emberline.engine.settings import settings_of

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
SETTINGS = {**settings_of(EngineConfig), **settings_of(ServerConfig)}
LABEL = {"app.kubernetes.io/name": "emberline"}


def _manifest(name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return manifest


@pytest.fixture
def pod() -> dict[str, Any]:
    """The template of the servers' pods."""
    template: dict[str, Any] = _manifest("deployment.yaml")["spec"]["template"]
    return template


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_kubernetes_accepts_every_manifest(name: str, version: str) -> None:
    """Each is valid by the schema of its kind, without fields that the kind does not have."""
    kubernetes_validate.validate(_manifest(name), version, strict=True)


def test_a_field_that_does_not_exist_is_found() -> None:
    """The check above can fail."""
    manifest = _manifest("service.yaml")
    manifest["spec"]["clusterAddress"] = "None"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_all_manifests_are_applied_together() -> None:
    """The kustomization lists each file, and adds the label that all selectors have."""
    kustomization = _manifest("kustomization.yaml")
    assert sorted(kustomization["resources"]) == MANIFESTS
    assert kustomization["labels"][0]["pairs"] == LABEL


def test_selectors_find_the_pods(pod: dict[str, Any]) -> None:
    """Whatever selects pods selects those of the deployment."""
    assert pod["metadata"]["labels"] == LABEL
    deployment, service = _manifest("deployment.yaml")["spec"], _manifest("service.yaml")["spec"]
    assert deployment["selector"]["matchLabels"] == service["selector"] == LABEL
    assert _manifest("disruption.yaml")["spec"]["selector"]["matchLabels"] == LABEL
    assert _manifest("network.yaml")["spec"]["podSelector"]["matchLabels"] == LABEL
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == LABEL
    target = _manifest("autoscaler.yaml")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", _manifest("deployment.yaml")["metadata"]["name"])


def test_ports_are_those_of_the_image(pod: dict[str, Any]) -> None:
    """Probes, service and policy name ports that the container has, and the image serves."""
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    assert re.search(rf"EMBERLINE_LISTEN=0\.0\.0\.0:{ports['grpc']}\b", image)
    assert f"EMBERLINE_METRICS_PORT={ports['metrics']}" in image
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == ports["grpc"]
    (port,) = _manifest("service.yaml")["spec"]["ports"]
    assert (port["targetPort"], port["port"]) == ("grpc", ports["grpc"])
    allowed = {port["port"] for rule in _manifest("network.yaml")["spec"]["ingress"] for port in rule["ports"]}
    assert allowed == set(ports)
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])


def test_variables_are_settings_and_the_drain_has_its_time(pod: dict[str, Any]) -> None:
    """Each variable is a setting with a valid value, and a pod is not killed before the server has drained."""
    (container,) = pod["spec"]["containers"]
    names = {variable["name"] for variable in container["env"]}
    assert {"EMBERLINE_CATALOGUE", "PGPASSWORD"} <= names
    for variable in container["env"]:
        name = variable["name"].removeprefix("EMBERLINE_").lower()
        if variable["name"].startswith("EMBERLINE_"):
            assert name in SETTINGS
            if "value" in variable:
                SETTINGS[name].parse(variable["value"])
    assert pod["spec"]["terminationGracePeriodSeconds"] > SETTINGS["drain_seconds"].default


def test_the_autoscaler_asks_for_a_metric_of_the_server() -> None:
    """The metric is one that the server has, and its target is reached before requests are rejected."""
    (metric,) = _manifest("autoscaler.yaml")["spec"]["metrics"]
    families = {family.name for family in PrometheusMetrics().registry.collect()}
    assert metric["pods"]["metric"]["name"] in families
    assert 0 < int(metric["pods"]["target"]["averageValue"]) < SETTINGS["max_waiting_tokens"].default


def test_the_container_has_no_rights_that_it_does_not_need(pod: dict[str, Any]) -> None:
    """It runs as the image's user, and writes nowhere but to its volumes."""
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    uid = pod["spec"]["securityContext"]["runAsUser"]
    assert f"--uid {uid} " in (ROOT / "deploy" / "Dockerfile").read_text()
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
