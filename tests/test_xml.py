"""The panel and the class behind it: XML that names a missing method or another default crashes or misleads the GUI."""

from __future__ import annotations

import importlib
import inspect
from xml.etree import ElementTree

import pytest

from hyperinr.filters import cinematic, compare, panel, shadow, source
from hyperinr.plugin import launch
from hyperinr.plugin.scenes import live

TREE = ElementTree.parse(launch.plugin_xml())
PROXIES = TREE.findall(".//ProxyGroup[@name='sources']/SourceProxy")
OURS = [proxy for proxy in TREE.iter() if proxy.get("si_class") == "vtkSIPythonSourceProxy"]
PROPERTIES = [item for item in PROXIES[0] if item.tag.endswith("VectorProperty")]
SETTERS = [item for item in PROPERTIES if item.get("command", "").startswith(("Set", "Add"))]
KINDS = {"IntVectorProperty": int, "DoubleVectorProperty": float, "StringVectorProperty": str}


#: Setters of every filter of a scalar, which VTK has.
INPUT = {"SetInputConnection", "SetInputArrayToProcess"}


def name_of(element):
    return element.get("name")


def class_of(proxy):
    module, _, name = proxy.get("class").rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("proxy", PROXIES, ids=name_of)
def test_class_exists_and_is_made_by_python(proxy):
    assert proxy.get("si_class") == "vtkSIPythonSourceProxy"
    assert class_of(proxy)().GetNumberOfOutputPorts() == 1
    assert issubclass(class_of(proxy), source.HyperINRSource)


@pytest.mark.parametrize("item", [item for item in PROPERTIES if item.get("command")], ids=name_of)
def test_command_is_a_method_that_takes_what_paraview_gives(item):
    method = getattr(source.HyperINRSource(), item.get("command"))
    n_arguments = int(item.get("number_of_elements_per_command") or item.get("number_of_elements"))
    inspect.signature(method).bind(*range(n_arguments if item in SETTERS else 0))
    if item.get("clean_command"):
        inspect.signature(getattr(source.HyperINRSource(), item.get("clean_command"))).bind()


@pytest.mark.parametrize("item", [item for item in PROPERTIES if item.get("information_only")], ids=name_of)
def test_information_has_the_size_that_is_declared(item):
    if item.get("si_class"):  # ParaView's own: time steps and array selections
        return
    answer = getattr(source.HyperINRSource(), item.get("command"))()
    answers = answer if isinstance(answer, tuple) else (answer,)
    assert len(answers) == int(item.get("number_of_elements"))
    assert all(isinstance(value, KINDS[item.tag]) for value in answers)


@pytest.mark.parametrize("item", [item for item in SETTERS if item.get("default_values")], ids=name_of)
def test_default_is_the_class_s(item):
    kind = KINDS[item.tag]
    text = item.get("default_values")
    values = [text] if kind is str else [kind(word) for word in text.split()]
    reader = source.HyperINRSource()
    before = reader.GetMTime()
    getattr(reader, item.get("command"))(*values)
    assert reader.GetMTime() == before, f"setting {item.get('name')} to its XML default changed the reader"


def test_every_setter_of_the_class_is_in_the_panel():
    own = {**vars(source.HyperINRSource), **vars(panel.Panel)}
    methods = {name for name in own if name.startswith(("Set", "Add"))}
    assert methods - {"SetFileName"} == {item.get("command") for item in SETTERS}, "SetFileName is for VTK alone"
    sliders = [item for item in SETTERS if item.get("name", "").startswith("Parameter")]
    assert len(sliders) == panel.N_SLIDERS


def test_every_property_of_the_panel_is_explained():
    shown = [item for item in PROPERTIES if item.get("panel_visibility") in ("default", "advanced")]
    assert len(shown) > 10
    for item in shown:
        assert item.findtext("Documentation", "").strip(), f"{item.get('name')} has no tooltip"


def test_domains_and_decorators_name_properties_that_exist():
    names = {item.get("name") for item in PROPERTIES}
    required = {item.get("name") for item in PROXIES[0].findall(".//RequiredProperties/Property")}
    watched = {item.get("property") for item in PROXIES[0].findall(".//PropertyWidgetDecorator")} - {None}
    assert required and watched and required | watched <= names


def test_only_what_may_move_is_offered_for_animation():
    offered = [item.get("name") for item in SETTERS if item.get("animateable") != "0"]
    assert offered == [f"Parameter{index + 1}" for index in range(panel.N_SLIDERS)]


def test_the_region_is_a_box_to_drag():
    group = PROXIES[0].find("PropertyGroup[@label='Region']")
    assert group.get("panel_widget") == "InteractiveBox"
    assert {item.get("function"): item.get("name") for item in group.findall("Property")} == {
        "Position": "RegionPosition",
        "Scale": "RegionSize",
    }


def test_both_readers_claim_hinr_files_and_have_a_representation_of_their_own():
    types = [proxy.find("Hints/RepresentationType").get("type") for proxy in PROXIES]
    assert types == ["Volume", "Surface"]
    assert {proxy.find("Hints/ReaderFactory").get("extensions") for proxy in PROXIES} == {"hinr"}
    assert PROXIES[1].get("base_proxyname") == PROXIES[0].get("name")


@pytest.mark.parametrize("proxy", PROXIES[:1], ids=name_of)
def test_every_property_that_is_shown_is_in_one_group_in_the_order_of_use(proxy):
    groups = {
        group.get("label"): [item.get("name") for item in group.findall("Property")]
        for group in proxy.findall("PropertyGroup")
    }
    assert list(groups) == [
        *("Model", "Parameters", "Time", "Fields", "Grid", "Region", "Evaluation", "About The Model"),
    ]
    grouped = [name for names in groups.values() for name in names]
    shown = [item.get("name") for item in PROPERTIES if item.get("panel_visibility") in ("default", "advanced")]
    assert sorted(grouped) == sorted({*shown, "Fields"}), "a property has no group, or two"


def test_filters_are_in_the_menu_hyperinr():
    for proxy in TREE.findall(".//ProxyGroup[@name='filters']/SourceProxy"):  # ParaView lists no readers under Sources
        entry = proxy.find("Hints/ShowInMenu")
        assert entry.get("category") == "HyperINR" and entry.get("icon").startswith(":/pqWidgets/Icons/")


def test_readers_are_asked_only_where_the_hint_is_added():
    assert not TREE.findall(".//LiveSource"), "servers load this file, too"
    asked = [TREE.find(f".//ProxyGroup[@name='{group}']/SourceProxy[@name='{name}']") for group, name in live.READERS]
    assert [proxy for proxy in OURS if hasattr(class_of(proxy), "GetNeedsUpdate")] == asked
    for proxy in asked:
        assert class_of(proxy)().GetNeedsUpdate() is False


def test_every_class_has_one_that_takes_its_place_where_the_package_is_missing():
    script = TREE.find(".//Proxy[@name='Package']/StringVectorProperty").get("default_values")
    assert len(OURS) == 6
    for proxy in OURS:
        assert f"'{proxy.get('class').removeprefix('hyperinr.filters.')}'" in script
        guard = proxy.find("SubProxy/Proxy[@proxyname='Package']")
        assert guard is not None or proxy.get("base_proxyname") == "HyperINRSource", f"{name_of(proxy)} ends the window"


@pytest.mark.parametrize(
    ("name", "kind", "inherited"),
    [
        ("HyperINRShadow", shadow.HyperINRShadow, {*INPUT, "SetColorMap"}),
        ("HyperINRCinematic", cinematic.HyperINRCinematic, {*INPUT, "SetColorMap"}),
        ("HyperINRCompare", compare.HyperINRCompare, {"SetInputConnection"}),
    ],
)
def test_a_filter_s_commands_and_defaults_are_the_class_s(name, kind, inherited):
    proxy, filter_ = TREE.find(f".//SourceProxy[@name='{name}']"), kind()
    before = filter_.GetMTime()
    commands = {item.get("command"): item for item in proxy if item.get("command")}
    methods = {name for name in vars(kind) if name.startswith("Set")}
    assert {name for name in commands if name.startswith("Set")} == methods | inherited
    for command, item in commands.items():
        n_arguments = int(item.get("number_of_elements", 1))
        if command.startswith("Get") or command in inherited:
            assert callable(getattr(filter_, command))
            continue
        inspect.signature(getattr(filter_, command)).bind(*range(n_arguments))
        assert item.findtext("Documentation", "").strip(), f"{item.get('name')} has no tooltip"
        text = item.get("default_values")
        if text is not None:
            number = KINDS[item.tag]
            getattr(filter_, command)(*([text] if number is str else map(number, text.split())))
            assert filter_.GetMTime() == before, f"setting {item.get('name')} to its XML default changed the filter"
    assert class_of(proxy) is kind
