"""The bill of materials: CycloneDX, from the lock that a server is installed from.

The same lock gives the same bytes. What the tool copies of the lock's lines and of a package index
is left out, and licences are added.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import sluice_server
from tests.supply.licences import table
from tests.supply.lock import RUNTIME

SERVER = "sluice-server"


def bill(lock: Path = RUNTIME) -> dict[str, Any]:
    """Return the bill."""
    made = subprocess.run(
        [
            *(Path(sys.executable).with_name("cyclonedx-py"), "requirements"),
            *("--output-reproducible", "--no-validate", lock),
        ],
        check=True,
        capture_output=True,
    )
    document: dict[str, Any] = json.loads(made.stdout)
    licences = {pin.name: expression for pin, expression in table(lock)}
    components = [
        _component(part, licences[part["name"]])
        for part in document["components"]
        if part["name"] in licences
    ]
    refs = [part["bom-ref"] for part in components]
    for tool in document["metadata"]["tools"]["components"]:
        # Addresses of its makers, an index among them.
        tool.pop("externalReferences", None)
    document["components"] = components
    document["metadata"]["component"] = {
        "type": "application",
        "bom-ref": SERVER,
        "name": SERVER,
        "version": sluice_server.__version__,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    document["dependencies"] = [{"ref": SERVER, "dependsOn": refs}, *({"ref": ref} for ref in refs)]
    return document


def _component(part: dict[str, Any], expression: str) -> dict[str, Any]:
    found = [one for place in part["externalReferences"] for one in place.get("hashes", ())]
    return {
        "type": part["type"],
        "bom-ref": part["purl"],
        "name": part["name"],
        "version": part["version"],
        "purl": part["purl"],
        "licenses": [{"expression": expression}],
        "externalReferences": [
            {
                "type": "distribution",
                # No address: where it came from is this machine's business.
                "url": part["purl"],
                # Of the files that pip accepts for it: one for each platform.
                "hashes": found,
            }
        ],
    }


def text(document: dict[str, Any]) -> str:
    """Return the content of the file."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def main(target: Path) -> None:
    """Write the file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text(bill()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
