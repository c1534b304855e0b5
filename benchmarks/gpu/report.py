"""What measure.py measured, as Markdown."""

from __future__ import annotations

from typing import Any

from gpu.guard import NO_TIME


def to_markdown(report: dict[str, Any]) -> str:
    """The report as tables for people."""
    lines = [f"Of commit {report['commit']}.", ""]
    lines += [", ".join(f"{name} {text}" for name, text in report["machine"].items()) + ".", ""]
    limits = report.get("limits", {})
    names = {"half_tflops": "TFLOP/s half", "single_tflops": "TFLOP/s single", "gbytes_per_s": "GB/s copied"}
    names["to_host_gbytes_per_s"] = "GB/s to the host"
    told = ", ".join(f"{limits[key]:.1f} {unit}" for key, unit in names.items() if key in limits)
    lines += [f"Limits: {told}."] if told else []
    for key, unit in (("decode", "grid"), ("training", "batch")):
        lines += _ways(report[key], unit) if key in report else []
    lines += [""]
    lines += [f"- Blend of {name} encoders: {_times(entry, 4)}." for name, entry in report.get("blend", {}).items()]
    lines += [f"- To the host: {_host(report['host'])}."] if "host" in report else []
    lines += [f"- An iteration of {size} {_iteration(entry)}." for size, entry in report.get("iterations", {}).items()]
    lines += [f"- Carried, {size}: {_carried(entry)}." for size, entry in report.get("carried", {}).items()]
    coordnet = report.get("coordnet", {}).items()
    lines += [f"- CoordNet, a million points: {name} {ms:.3f} ms." for name, ms in coordnet if name != "n_params"]
    lines += [f"- {name}: {rate:.2f} M points/s." for name, rate in report.get("data", {}).items()]
    lines += [f"- {name}: {ratio:.2f} times." for name, ratio in report.get("ratios", {}).items()]
    lines += _paper(report.get("paper", {}))
    parts = report.get("parts", {}).items()
    left = [name for name, part in parts if part["state"] == NO_TIME]
    lines += [f"- Not measured, {NO_TIME}: {'; '.join(left)}."] if left else []
    lines += [
        f"- Not measured: {name}: {part['state']}."
        for name, part in parts
        if part["state"] not in ("measured", NO_TIME)
    ]
    lines += ["", "Seconds: " + ", ".join(f"{name} {part['seconds']}" for name, part in parts if part["seconds"]) + "."]
    return "\n".join(lines) + "\n"


def _ways(found: dict[str, Any], unit: str) -> list[str]:
    lines = [
        "",
        f"| {unit} | way | ms as called | on the device | M points/s | floor ms | of it | from the reference |",
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for size, ways in found.items():
        for way, entry in ways.items():
            if "ms" in entry:
                rate, floor, share = entry["samples_per_s"] / 1e6, entry.get("floor_ms"), entry.get("of_floor")
                known = f"{floor:.4f} | {100 * share:.1f} %" if floor is not None else " | "
                numbers = f"{entry['ms']:.4f} | {entry['device_ms']:.4f} | {rate:.1f} | {known}"
            else:
                numbers = " | | | | "
            lines.append(f"| {size} | {way} | {numbers} | {entry['deviation']:.1e} |")
    return lines


def _times(entry: dict[str, float], places: int) -> str:
    if "ms" not in entry:
        return f"not timed, it deviates by {entry['deviation']:.1e}"
    floor = f", floor {entry['floor_ms']:.{places}f}" if "floor_ms" in entry else ""
    return f"{entry['ms']:.{places}f} ms as called, {entry['device_ms']:.{places}f} on the device{floor}"


def _iteration(entry: dict[str, float]) -> str:
    return "with its draws: " + ", ".join(f"{way} {ms:.4f} ms" for way, ms in entry.items())


def _host(entry: dict[str, float]) -> str:
    names = {
        "ms": "ms as called",
        "least_ms": "at best",
        "decode_ms": "of decoding",
        "copy_ms": "of copying",
    }
    found = ", ".join(f"{entry[key]:.2f} {words}" for key, words in names.items() if key in entry)
    return f"{entry['points']} points, {found}"


def _carried(entry: dict[str, float]) -> str:
    if "ms" not in entry:
        return f"not timed, it deviates by {entry.get('deviation', float('nan')):.1e}"
    names = {
        "ms": "ms as called to the host's memory",
        "least_ms": "at best",
        "carry_ms": "of carrying on the device",
        "lattice_ms": "of the time's lattice there",
        "native_ms": "carried by the host's kernel instead",
        "moment_ms": "of the lattice by it",
        "step_ms": "of decoding a step into splines",
        "first_ms": "of the first frame",
    }
    return ", ".join(f"{entry[key]:.2f} {words}" for key, words in names.items() if key in entry)


def _paper(rows: dict[str, dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    lines = ["", "| row | seconds | before the training | PSNR held out | linear | bytes | phases in seconds |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        before = sum(part for name, part in row["phases"].items() if name not in ("training", "the end"))
        told = ", ".join(f"{name} {part:.1f}{_share(row, name)}" for name, part in row["phases"].items())
        numbers = [f"{row['linear']:.2f}", str(row.get("bytes", "")), told]
        known = [f"{row[key]:.{places}f}" if key in row else "" for key, places in (("seconds", 1), ("psnr", 2))]
        lines.append(" | ".join([f"| {name}", known[0], f"{before:.1f}", known[1], *numbers]) + " |")
    return [*lines, ""]


def _share(row: dict[str, Any], phase: str) -> str:
    """Of a phase that did not end: how far it came, and to how many points, where it counts them."""
    share = row.get("shares", {}).get(phase, 1.0)
    if share >= 1 or "seconds" in row:
        return ""
    whole = {"training": row["samples"]}.get(phase, row["teacher_samples"] if phase.startswith("fitting") else 0)
    return f" ({100 * share:.1f} %{f', {share * whole / 1e6:.1f} M points' if whole else ''})"
