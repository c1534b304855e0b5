"""What a model is, for ParaView's panels: lines of text in the properties, and numbers in the Information panel."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Any


def parameters_of(model: Any) -> str:
    """Every parameter with its range and how many values of it were trained on."""
    return "; ".join(f"{parameter_line(item)}, {len(set(item.values))} trained" for item in model.parameters)


def parameter_line(parameter: Any) -> str:
    """A parameter with its range and unit."""
    low, high = parameter.bounds
    return f"{parameter.name} {low:g} to {high:g}{' ' * bool(parameter.units)}{parameter.units}"


def grid_of(model: Any) -> str:
    """The points of the training grid."""
    return " x ".join(map(str, model.grid.dims)) + " points"


def look_of(model: Any) -> str:
    """How a model is best shown, as JSON: {"kind": volume, plane, picture or colors, "time": its format, "fields": its looks}.

    Colors are a volume whose fourth component is the opacity of a length that is "unit" beside.
    """
    from hyperinr_core.errors import FormatError
    from hyperinr_core.pictures import look
    from hyperinr_core.pictures.picture_set import is_picture

    times = [look.time_format(parameter) for parameter in model.parameters if parameter.role == "time"]
    if getattr(model, "radiance", None) and model.volume:
        unit = min(model.grid.spacing)
        return json.dumps({"kind": "colors", "time": times[0] if times else "", "fields": {}, "unit": unit})
    flat = "plane" if model.grid.dims[2] == 1 else "volume"
    kind = "picture" if is_picture(model.grid, model.fields) else flat
    try:
        looks = look.looks_of(model) if kind != "picture" else {}
    except FormatError:  # damaged at a step that was not read before; whoever asks for its image is told
        looks = {}
    fields = {f.name: {"title": look.title_of(f), **looks[f.name].to_dict()} for f in model.fields if f.name in looks}
    return json.dumps({"kind": kind, "time": times[0] if times else "", "fields": fields})


def fields_of(model: Any) -> str:
    """Every field with its unit."""
    return "; ".join(f"{field.name} [{field.units}]" if field.units else field.name for field in model.fields)


def quality_of(model: Any) -> str:
    """Mean PSNR of every field on the training steps, or against the model that a compressed one was made of, and its bound.

    How it does between the training steps only `hyperinr evaluate` can say.
    """
    parts = {name: f"{mean:.1f} dB" for name, mean in mean_psnr(model.quality).items()}
    for name, mean in mean_psnr(model.quality, "original_psnr_db").items():
        if name in parts:  # steps that are stored
            continue
        before = mean_psnr(quality_of_original(model.provenance)).get(name)
        has = "" if before is None else f" ({before:.1f} dB)"
        parts[name] = f"{mean:.1f} dB against the original{has}"
    told = [f"{name} {text}" for name, text in parts.items()] or ["not measured"]
    if model.largest_errors:
        names, units = [field.name for field in model.fields], [field.units for field in model.fields]
        told.append(f"at every training step {errors_in_words(names, units, model.largest_errors)}")
    return ", ".join(told)


def mean_psnr(quality: Any, kind: str = "training_psnr_db") -> dict[str, float]:
    """Means in dB by field, as far as a file's quality has them."""
    return {name: statistics.fmean(values) for name, values in _psnr(quality, kind)}


def quality_of_original(provenance: dict[str, Any]) -> Any:
    """The quality of the model that a compressed one was made of; nothing for one that was not."""
    original = provenance.get("original")
    return original.get("quality") if isinstance(original, dict) else None


def size_of(model: Any) -> str:
    """Encoders or bricks, their bytes, and the motion that the training steps are carried along."""
    n_parts, what = model.parts
    size = f"{n_parts} {what}, {model.n_bytes / 1e6:.1f} MB"
    if not model.anchored:
        return size
    return f"{size}; steps carried along {motion_in_words(model.anchored)}, {model.motion_bytes / 1e6:.1f} MB of these"


def errors_in_words(names: Sequence[str], units: Sequence[str], errors: Sequence[float]) -> str:
    """The largest errors of fields, in their units."""
    told = zip(names, units, errors)
    return ", ".join(f"{name} within {error:.6g}{' ' * bool(unit)}{unit}" for name, unit, error in told)


def motion_in_words(anchored: Iterable[bool]) -> str:
    """Where motions come from, by whether each was traced through a velocity."""
    traced = list(anchored)
    if not any(traced):
        return "a motion found by optical flow"
    return "a motion traced through the data's velocity" if all(traced) else "motions, of which some are traced"


def _psnr(quality: Any, kind: str = "training_psnr_db") -> Iterable[tuple[str, list[float]]]:
    """Field names and their PSNR in dB on each training step, as far as the file has them."""
    fields = quality.get(kind) if isinstance(quality, dict) else None
    for name, values in fields.items() if isinstance(fields, dict) else ():
        numbers = [v for v in values if isinstance(v, (int, float))] if isinstance(values, list) else []
        if numbers:
            yield str(name), numbers


def add_facts(output: Any, model: Any) -> None:
    """Put the model's numbers into an image's field data, where the Information panel shows their ranges.

    `FIELD range` is the field's over all training data, one pair of numbers a component: what HyperINR Compare
    measures errors against.
    """
    for parameter in model.parameters:
        _add(output, f"model: training {parameter.name}", sorted(set(parameter.values)) or parameter.bounds)
    for name, numbers in _psnr(model.quality):
        _add(output, f"model: training PSNR of {name} (dB)", numbers)
    n_parts, what = model.parts
    _add(output, f"model: {what}", [n_parts])
    _add(output, "model: size (MB)", [model.n_bytes / 1e6])
    if model.anchored:
        _add(output, "model: motion (MB)", [model.motion_bytes / 1e6])
        _add(output, "model: motion traced through a velocity", map(float, model.anchored))
    for field, error in zip(model.fields, model.largest_errors):
        _add(output, f"model: largest error of {field.name} at training steps", [error])
    for field in model.fields:
        _add(output, range_name(field.name), [limit for pair in field.value_range for limit in pair])


def range_name(field: str) -> str:
    """The field data array that holds a field's value range."""
    return f"model: range of {field}"


def _add(output: Any, name: str, numbers: Iterable[float]) -> None:
    from vtkmodules.vtkCommonCore import vtkDoubleArray

    array = vtkDoubleArray()
    array.SetName(name)
    for number in numbers:
        array.InsertNextValue(float(number))
    output.GetFieldData().AddArray(array)
