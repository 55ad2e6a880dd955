"""What the packages of all languages promise: one version, one licence, locks without addresses."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_CLIENTS = _ROOT / "clients"
_LANGUAGES = ("python", "go", "typescript", "java", "rust")
_ADDRESS = re.compile(r"(?:https?|git|ssh)[:+]|resolved")


def _python() -> dict[str, str]:
    project = tomllib.loads((_CLIENTS / "python/pyproject.toml").read_text())["project"]
    return {"version": project["version"], "licence": project["license"]}


def _typescript() -> dict[str, str]:
    package = json.loads((_CLIENTS / "typescript/package.json").read_text())
    return {"version": package["version"], "licence": package["license"]}


def _rust() -> dict[str, str]:
    package = tomllib.loads((_CLIENTS / "rust/Cargo.toml").read_text())["package"]
    return {"version": package["version"], "licence": package["license"]}


def _java() -> dict[str, str]:
    pom = (_CLIENTS / "java/pom.xml").read_text()
    head, _, rest = pom.partition("<licenses>")
    (version,) = re.findall(r"\n  <version>(.+)</version>", head)
    (licence, *_) = re.findall("<name>(.+)</name>", rest)
    return {"version": version, "licence": licence}


def test_all_packages_are_one_release() -> None:
    """Each manifest says the same version and the licence of the project."""
    said = {"python": _python(), "typescript": _typescript(), "java": _java(), "rust": _rust()}
    assert len({package["version"] for package in said.values()}) == 1, said
    assert {package["licence"] for package in said.values()} == {"Apache-2.0"}
    # Go's module has a version by its tag; what it calls itself stands in its code.
    version = said["python"]["version"]
    assert f'\nconst Version = "{version}"\n' in (_CLIENTS / "go/doc.go").read_text()


@pytest.mark.parametrize("language", _LANGUAGES)
def test_packages_explain_themselves(language: str) -> None:
    """There is a README that shows how to stream from a gateway that `make run` started."""
    page = (_CLIENTS / language / "README.md").read_text()
    assert "127.0.0.1:50051" in page
    assert "local/smollm2-135m-instruct" in page
    assert (
        "SluiceError" in page
        or "sluice.Error" in page
        or "SluiceException" in page
        or (language == "rust" and "Error" in page)
    )


@pytest.mark.parametrize(
    "lock", ["typescript/package-lock.json", "rust/crates.lock", "go/go.sum", "go/go.mod"]
)
def test_locks_name_no_address(lock: str) -> None:
    """What is installed is told by names and hashes, wherever it comes from."""
    lines = (_CLIENTS / lock).read_text().splitlines()
    assert len(lines) > 10
    assert [line for line in lines if _ADDRESS.search(line) and not _funding(line)] == []


def test_no_other_lock_of_cargo_is_committed() -> None:
    """Cargo's own file names an address in every entry; it is made of `crates.lock`."""
    done = subprocess.run(
        ["git", "ls-files", "*Cargo.lock"], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def _funding(line: str) -> bool:
    """Whether npm tells here where a package's author takes money."""
    return line.strip().startswith('"url": "https://')


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_language_without_its_tools_is_not_passed_over_in_silence(ci: str) -> None:
    """At home `make` says so loudly and goes on; in CI it fails."""
    done = subprocess.run(
        ["make", "--silent", "languages", "TOOLCHAIN_go=no-such-program", f"CI={ci}"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "!!! go: no toolchain here" in done.stderr
    assert (done.returncode != 0) == (ci == "true")
