"""Does the check of the contract find what breaks callers, and let pass what does not?

It is `breaking.sh`, which `make proto-check` runs, on copies of the contract with one change each.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reference.descriptors import BUF, ROOT

SCRIPT = "tests/contract/breaking.sh"
BASELINE = "tests/contract/baseline.yaml"
EVENT, CONTENT = "event.proto", "content.proto"
SERVICE, REASONS = "gateway_service.proto", "error_reason.proto"

BREAKING = {
    "a field is gone": (EVENT, r"  string provider_finish_reason = 2;\n", ""),
    "a field has another number": (EVENT, r"string stop_sequence = 3", "string stop_sequence = 33"),
    "a field has another name": (EVENT, r"string served_by", "string served_behind"),
    "a field has another JSON name": (
        EVENT,
        r"string response_id = 5",
        'string response_id = 5 [json_name = "responseID"]',
    ),
    "a field has another type": (EVENT, r"uint32 attempt = 4", "int32 attempt = 4"),
    "a number can no longer be absent": (SERVICE, r"optional uint32 top_k", "uint32 top_k"),
    "a list is one": (CONTENT, r"repeated string violations", "string violations"),
    "a kind of event is gone": (EVENT, r"    LogprobsDelta logprobs_delta = 7;\n", ""),
    "a field left its choice": (
        SERVICE,
        r"(  oneof format \{\n)(.*?JsonObjectFormat json_object = 1;\n)",
        r"\2\1",
    ),
    "a value of an enum is gone": (EVENT, r"  FINISH_REASON_PAUSED = 8;\n", ""),
    "a value of an enum has another name": (CONTENT, r"ROLE_TOOL = 4", "ROLE_TOOLS = 4"),
    "a reason has another number": (REASONS, r"CIRCUIT_OPEN = 30", "CIRCUIT_OPEN = 31"),
    "an enum is gone": (REASONS, r"enum ErrorReason", "enum FailureReason"),
    "an RPC is gone": (SERVICE, r"  rpc GetMetrics\(.*?\n", ""),
    "an RPC no longer streams": (SERVICE, r"returns \(stream ", "returns ("),
    "the service has another name": (SERVICE, r"service GatewayService", "service Gateway"),
}
COMPATIBLE = {
    "nothing": (EVENT, r"\A", ""),
    "a comment": (EVENT, r"// Natural end\.", "// The model came to its end."),
    "a new field": (SERVICE, r"  bool no_wait = 6;\n", "  bool no_wait = 6;\n  bool new = 90;\n"),
    "a new kind of event": (
        EVENT,
        r"    Completed completed = 15;\n",
        "    Completed completed = 15;\n    TextStart new = 90;\n",
    ),
    "a new value of an enum": (
        EVENT,
        r"  FINISH_REASON_OTHER = 9;\n",
        "  FINISH_REASON_OTHER = 9;\n  FINISH_REASON_NEW = 90;\n",
    ),
    "a new reason": (
        REASONS,
        r"  ERROR_REASON_INTERNAL = 42;\n",
        "  ERROR_REASON_INTERNAL = 42;\n  ERROR_REASON_NEW = 90;\n",
    ),
    "a new RPC": (SERVICE, r"(  rpc GetMetrics)(.*?\n)", r"\1\2\1Again\2"),
    "a deprecated field": (SERVICE, r"bool no_wait = 6;", "bool no_wait = 6 [deprecated = true];"),
    "a field that left number and name reserved": (
        EVENT,
        r"  string provider_finish_reason = 2;\n",
        '  reserved 2;\n  reserved "provider_finish_reason";\n',
    ),
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the check reads, whose last release is the contract as it is."""
    tree = tmp_path_factory.mktemp("released")
    shutil.copytree(ROOT / "proto", tree / "proto")
    shutil.copy(ROOT / "buf.yaml", tree)
    (tree / SCRIPT).parent.mkdir(parents=True)
    shutil.copy(ROOT / SCRIPT, tree / SCRIPT)
    _run(tree, BUF, "build", "--exclude-source-info", "-o", BASELINE, check=True)
    return tree


@pytest.fixture
def tree(released: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(released, tmp_path / "tree")


def _run(tree: Path, *command: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    return subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, **own},
        check=check,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _check(tree: Path, *commits: str) -> subprocess.CompletedProcess[str]:
    return _run(tree, "sh", SCRIPT, BUF, *commits)


def _change(tree: Path, file: str, old: str, new: str) -> None:
    path = tree / "proto/sluice/v1" / file
    text, count = re.subn(old, new, path.read_text(), count=1, flags=re.DOTALL)
    assert count == 1
    path.write_text(text)


def _commit(tree: Path, message: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    if not (tree / ".git").exists():
        _run(tree, "git", "init", "--quiet", "--initial-branch=main", check=True)
    _run(tree, "git", "add", ".", check=True)
    commit = ("commit", "--quiet", "--allow-empty", "--message", message)
    _run(tree, "git", *identity, *commit, check=True)


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_what_breaks_callers_is_found(tree: Path, change: tuple[str, str, str]) -> None:
    """The check fails, with the last release alone to compare with, and not for bad syntax."""
    _change(tree, *change)
    found = _check(tree)
    assert found.returncode != 0
    assert change[0].removesuffix(".proto") in found.stdout or "deleted" in found.stdout
    _run(tree, BUF, "build", "-o", os.devnull, check=True)


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE)
def test_what_breaks_nobody_passes(tree: Path, change: tuple[str, str, str]) -> None:
    """What the contract may become passes."""
    _change(tree, *change)
    found = _check(tree)
    assert found.returncode == 0, found.stdout
    assert "compatible with the last release" in found.stdout


def test_the_main_branch_is_not_compared_with_itself(tree: Path) -> None:
    """What came after the release is protected, by the commit before the one that is checked."""
    _commit(tree, "Begin")
    _change(tree, *COMPATIBLE["a new reason"])
    _commit(tree, "Add a reason")
    passed = _check(tree)
    assert passed.returncode == 0, passed.stdout
    _change(tree, REASONS, r"  ERROR_REASON_NEW = 90;\n", "")
    _commit(tree, "Take it away")
    found = _check(tree)
    assert found.returncode != 0
    assert '"90"' in found.stdout


def test_work_is_compared_with_where_it_began(tree: Path) -> None:
    """What the main branch got meanwhile is not missed, and what it had must stay."""
    _commit(tree, "Begin")
    _change(tree, *COMPATIBLE["a new reason"])
    _commit(tree, "Add a reason")
    _run(tree, "git", "checkout", "--quiet", "-b", "work", check=True)
    _commit(tree, "Work")
    _run(tree, "git", "checkout", "--quiet", "main", check=True)
    _change(tree, *COMPATIBLE["a new kind of event"])
    _commit(tree, "Add an event")
    _run(tree, "git", "checkout", "--quiet", "work", check=True)
    passed = _check(tree)
    assert passed.returncode == 0, passed.stdout
    _change(tree, REASONS, r"  ERROR_REASON_NEW = 90;\n", "")
    assert _check(tree).returncode != 0


def test_a_clone_without_history_says_so(tree: Path, tmp_path: Path) -> None:
    """There the last release is compared with, and what is not is told."""
    _commit(tree, "Begin")
    _commit(tree, "Go on")
    shallow = tmp_path / "shallow"
    _run(tree, "git", "clone", "--quiet", "--depth=1", f"file://{tree}", shallow, check=True)
    passed = _check(shallow)
    assert passed.returncode == 0, passed.stdout
    assert "the last release alone" in passed.stdout
    _change(shallow, *BREAKING["an RPC is gone"])
    assert _check(shallow).returncode != 0


@pytest.mark.parametrize("missing", [BASELINE, "proto/sluice/v1"])
def test_nothing_to_compare_with_is_a_failure(tree: Path, missing: str) -> None:
    """A lost baseline, or a lost contract, is no reason to be content."""
    gone = tree / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert _check(tree).returncode != 0


def test_a_commit_that_is_not_there_is_a_failure(tree: Path) -> None:
    """Whoever names a commit is not told that all is well without it."""
    _commit(tree, "Begin")
    assert _check(tree, "v0.0.0").returncode != 0
