"""Is a package that brings kinds of providers loaded, or its fault told in one clear line?"""

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import pytest

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers import plugins, registry
from sluice_server.providers.dialects.openai_chat import OpenAiChat
from sluice_server.providers.plugins import PluginError
from sluice_server.providers.presets import EMBEDDED, KINDS, PRESETS, Preset

PACKAGE = "example_plugin"
CONTENT = """\
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers.dialects.openai_chat import OpenAiChat
from sluice_server.providers.presets.preset import Preset


def preset(name, dialect=lambda configured: OpenAiChat()):
    kind = ProviderKind(
        name=name, key_variable=None, default_base_url="http://127.0.0.1:1/v1", needs_key=False
    )
    return Preset(kind=kind, dialect=dialect)


def broken(configured):
    raise LookupError("no such thing")


ONE = preset("one")
BUILT_IN = preset("openai")
EMBEDDED = preset("embedded")
SILENT = preset("silent", dialect=None)
BREAKS = preset("breaks", dialect=broken)
NUMBER = 7
NOTHING = ()
NO_KIND = Preset(kind="one", dialect=OpenAiChat)


def several():
    yield preset("two")
    yield preset("three")


def twice():
    return [preset("two"), preset("two")]


def fails():
    raise RuntimeError("first line\\nsecond line")


def bad(name):
    return lambda: preset(name)


UPPER, EMPTY, SLASH, DASH, LONG = map(bad, ("River", "", "a/b", "-a", "a" * 64))
NO_TEXT = bad(7)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package that brings many kinds, good and bad, without naming any of them."""
    (tmp_path / f"{PACKAGE}.py").write_text(CONTENT, encoding="utf-8")
    (tmp_path / "broken_syntax.py").write_text("def :\n", encoding="utf-8")
    info = tmp_path / f"{PACKAGE}-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: example-plugin\nVersion: 1.2.3\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.available.cache_clear()
    yield tmp_path
    sys.modules.pop(PACKAGE, None)
    registry.available.cache_clear()


def named(site: Path, *values: str) -> list[EntryPoint]:
    """Return the package's entry points "entry0", "entry1" … with these values."""
    lines = [f"entry{number} = {value}" for number, value in enumerate(values)]
    text = "\n".join([f"[{plugins.GROUP}]", *lines])
    info = site / f"{PACKAGE}-1.2.3.dist-info"
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    return list(Distribution.at(info).entry_points.select(group=plugins.GROUP))


def fault(entry_points: list[EntryPoint]) -> str:
    """Return the one line that loading fails with."""
    with pytest.raises(PluginError) as caught:
        plugins.load(PRESETS, entry_points)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(("attribute", "names"), [("ONE", ["one"]), ("several", ["two", "three"])])
def test_a_preset_or_a_callable_is_loaded(site: Path, attribute: str, names: list[str]) -> None:
    """An entry point names one Preset, or something that returns several."""
    presets = plugins.load(PRESETS, named(site, f"{PACKAGE}:{attribute}"))

    assert [preset.kind.name for preset in presets] == names


def test_installed_kinds_stand_beside_the_servers_own(site: Path) -> None:
    """`available` and `kinds` list both, and a provider of such a kind is built."""
    named(site, f"{PACKAGE}:ONE")

    assert set(registry.available()) == {*PRESETS, "one"}
    assert set(registry.kinds()) == {*KINDS, "one"}
    assert EMBEDDED not in registry.kinds()
    provider = registry.build("up", settings.Provider(kind="one", headers={}), settings.Timeouts())
    assert isinstance(provider.dialect_of("any"), OpenAiChat)


def test_without_packages_the_kinds_are_the_servers_own(site: Path) -> None:
    """Nothing is added when no package names the group."""
    named(site)

    assert registry.kinds() == KINDS


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module:ONE", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("broken_syntax:ONE", "cannot be loaded: SyntaxError"),
        (f"{PACKAGE}:MISSING", "cannot be loaded: AttributeError"),
        (f"{PACKAGE}:fails", "cannot be loaded: RuntimeError: first line second line"),
        (f"{PACKAGE}:NUMBER", "must be a Preset or return some, not int"),
        (PACKAGE, "must be a Preset or return some, not module"),
        (f"{PACKAGE}:NOTHING", "brings no kind"),
        (f"{PACKAGE}:NO_KIND", "has a kind of type str, not ProviderKind"),
        (f"{PACKAGE}:BUILT_IN", "kind 'openai' is taken by the server itself"),
        (f"{PACKAGE}:EMBEDDED", "kind 'embedded' is taken by the server itself"),
        (f"{PACKAGE}:twice", "kind 'two' is taken by example-plugin 1.2.3, entry point 'entry0'"),
        (f"{PACKAGE}:UPPER", "'River' is no name of a kind: 1 to 63 of a-z"),
        (f"{PACKAGE}:EMPTY", "'' is no name of a kind"),
        (f"{PACKAGE}:SLASH", "'a/b' is no name of a kind"),
        (f"{PACKAGE}:DASH", "'-a' is no name of a kind"),
        (f"{PACKAGE}:LONG", "is no name of a kind"),
        (f"{PACKAGE}:NO_TEXT", "7 is no name of a kind"),
        (f"{PACKAGE}:SILENT", "the dialect of kind 'silent' must be something to call"),
    ],
)
def test_a_fault_names_package_and_entry_point(site: Path, value: str, said: str) -> None:
    """One line says whose the fault is and what it is, whatever was raised."""
    line = fault(named(site, value))

    assert f"plug-in example-plugin 1.2.3, entry point 'entry0' = '{value}': " in line
    assert said in line


def test_all_faults_are_told_at_once(site: Path) -> None:
    """The second broken entry point does not wait for the first to be mended."""
    entry_points = named(site, f"{PACKAGE}:NUMBER", f"{PACKAGE}:ONE", f"{PACKAGE}:MISSING")

    with pytest.raises(PluginError) as caught:
        plugins.load(PRESETS, entry_points)

    assert ["entry0" in caught.value.faults[0], "entry2" in caught.value.faults[1]] == [True, True]
    assert len(caught.value.faults) == 2


def test_a_kind_of_another_package_is_not_taken_over(site: Path) -> None:
    """Of two packages with one kind, neither wins silently."""
    line = fault(named(site, f"{PACKAGE}:ONE", f"{PACKAGE}:ONE"))

    assert "'entry1'" in line.split(": ")[0]
    assert "kind 'one' is taken by example-plugin 1.2.3, entry point 'entry0'" in line


def test_a_dialect_that_cannot_be_made_is_a_fault_of_the_package(site: Path) -> None:
    """What a package raises while a provider is built is told like a loading fault."""
    named(site, f"{PACKAGE}:BREAKS")
    configured = settings.Provider(kind="breaks", headers={})

    with pytest.raises(PluginError, match="makes no dialect: LookupError: no such thing"):
        registry.build("up", configured, settings.Timeouts())


def test_an_entry_point_without_a_package_is_told_too() -> None:
    """Metadata that names no distribution still names its entry point."""
    entry_point = EntryPoint("lost", "no_such_module:ONE", plugins.GROUP)

    assert fault([entry_point]).startswith("plug-in entry point 'lost' = 'no_such_module:ONE': ")


def test_other_makers_are_watched_as_well() -> None:
    """A dialect for a prefix of model ids fails like the main one."""

    def fails(configured: settings.Provider) -> OpenAiChat:
        raise LookupError("no such thing")

    kind = ProviderKind(
        name="both", key_variable=None, default_base_url="http://127.0.0.1:1", needs_key=False
    )
    preset = Preset(
        kind=kind, dialect=lambda _: OpenAiChat(), dialects_by_prefix={"claude-": fails}
    )
    guarded = plugins._guarded(preset, "somebody")

    with pytest.raises(PluginError, match="somebody: makes no dialect"):
        guarded.dialects_by_prefix["claude-"](settings.Provider(kind="both", headers={}))
