"""What is in the package as it is published."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_wheel_holds_the_library_and_its_licence(tmp_path: Path) -> None:
    """And neither the driver of the conformance run nor the example."""
    source = shutil.copytree(ROOT / "clients/python", tmp_path / "source")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        (licence,) = (name for name in names if name.endswith("/licenses/LICENSE"))
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert {"sluice/py.typed", "sluice/v1/service_config.json"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"sluice", "sluice_client"}
