"""YAML in the documents by what it is, and charts made of the files that a page shows."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from docs.pages import GUIDE, ROOT, Block, all_blocks, blocks
from helm.chart import CHART, with_dependency

Object: TypeAlias = dict[str, Any]
#: What an application's template and values come to: template, values, and by keyword the Helm and the Kubernetes.
Render: TypeAlias = Callable[..., list[Object]]
#: What Kubernetes' own schemas do not know: kinds by group and version, and which keys may stand in their spec, or in
#: those that have none.
FOREIGN = {
    ("kustomize.config.k8s.io/v1alpha1", "Component"): {"resources", "patches", "images", "configMapGenerator"},
    ("kustomize.config.k8s.io/v1beta1", "Kustomization"): {
        *("resources", "components", "namespace", "images", "configMapGenerator", "patches", "labels"),
    },
    ("kyverno.io/v1", "ClusterPolicy"): {"background", "failurePolicy", "rules"},
    ("external-secrets.io/v1", "ExternalSecret"): {"refreshInterval", "secretStoreRef", "target", "data"},
    ("networking.istio.io/v1", "ServiceEntry"): {"hosts", "location", "resolution", "ports"},
    ("security.istio.io/v1", "PeerAuthentication"): {"selector", "mtls", "portLevelMtls"},
    ("monitoring.coreos.com/v1", "PodMonitor"): {"namespaceSelector", "selector", "podMetricsEndpoints"},
}
SECTIONS = set(yaml.safe_load((ROOT / "config/schema.json").read_text())["properties"])
VALUES = set(yaml.safe_load((CHART / "values.yaml").read_text()))


@dataclass(frozen=True)
class Example:
    """One document of a block, and what it is."""

    block: Block
    kind: str
    content: Object

    def __str__(self) -> str:
        return f"{self.block} {self.content.get('kind') or self.kind}"


def yaml_blocks() -> list[Block]:
    return [block for block in all_blocks("yaml") if not is_template(block)]


def is_template(block: Block) -> bool:
    """Whether it is for Helm, under whichever language it is shown."""
    return block.language in ("yaml", "gotemplate") and "{{" in block.text


def examples(*kinds: str) -> list[Example]:
    """Every YAML document on every page that is of one of these kinds; a block that is no YAML has none."""
    found = []
    for block in yaml_blocks():
        with suppress(yaml.YAMLError):
            found += [Example(block, kind_of(content), content) for content in documents(block)]
    return [example for example in found if example.kind in kinds]


def documents(block: Block) -> list[Object]:
    """Its documents. Raises YAMLError."""
    return [content for content in yaml.safe_load_all(block.text) if content is not None]


def kind_of(content: Object) -> str:
    """What a document is, "" if nothing that a test knows how to judge."""
    keys = set(content)
    if {"apiVersion", "kind"} <= keys:
        return "foreign" if (content["apiVersion"], content["kind"]) in FOREIGN else "object"
    known = {
        "Chart.yaml": "dependencies" in keys,
        "application's values": keys == {"token-broker"},
        "Pod template": keys <= {"metadata", "spec"},
        "configuration": keys <= SECTIONS,
        "relabelling": keys == {"metricRelabelings"},
        "compose override": keys == {"services"},
        "Alertmanager": keys == {"route", "inhibit_rules"},
        "chart's values": keys <= VALUES,
        # tests/clients runs what it can of these, and says of the others that it does not.
        "client": bool(keys & {"spring", "scrape_configs", "datasources", "static_resources"}),
    }
    return next((kind for kind, fits in known.items() if fits), "")


def templates() -> list[tuple[Block, Object]]:
    """Each whole Helm template on a page, with the values that stand above it there, or else the guide's first."""
    found = []
    for template in all_blocks():
        if is_template(template) and re.search(r"^apiVersion:", template.text, re.MULTILINE):
            values = [
                example.content
                for example in examples("application's values")
                if example.block.page == template.page and example.block.line < template.line
            ]
            found.append((template, (values or [first_values()])[-1]))
    return found


def first_values() -> Object:
    return next(example.content for example in examples("application's values") if example.block.page == GUIDE)


def first_template() -> Block:
    return blocks(GUIDE, "gotemplate")[0]


def dependency() -> Object:
    """The guide's Chart.yaml."""
    return next(example.content for example in examples("Chart.yaml") if example.block.page == GUIDE)


def application(folder: Path, template: Block, values: Mapping[str, Any]) -> Path:
    """The application's chart as its author has it on disk after `helm dependency update`."""
    made = folder / "shop"
    (made / "templates").mkdir(parents=True)
    (made / "Chart.yaml").write_text(yaml.safe_dump(dependency()))
    (made / "values.yaml").write_text(yaml.safe_dump(dict(values)))
    (made / template.title).write_text(template.text)
    return with_dependency(made, folder / "updated")
