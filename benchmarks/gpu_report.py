"""What gpu.py measured, as Markdown."""

from __future__ import annotations

from typing import Any


def to_markdown(report: dict[str, Any]) -> str:
    """The report as tables for people."""
    place, limits = report["machine"], report["limits"]
    lines = [
        f"{place['device']}, torch {place['torch']}, CUDA {place['cuda']}.",
        f"Limits: {limits['gbytes_per_s']:.0f} GB/s, {limits['half_tflops']:.1f} TFLOP/s in half precision.",
        "",
        "| grid | way | ms | M samples/s | of the matrix limit | from the reference |",
        "|---|---|---|---|---|---|",
    ]
    for n, ways in report["decode"].items():
        for way, entry in ways.items():
            numbers = f"{entry['ms']:.3f} | {entry['samples_per_s'] / 1e6:.1f} | {100 * entry['of_matrix_limit']:.1f} %"
            lines.append(f"| {n}^3 | {way} | {numbers} | {entry['deviation']:.1e} |")
    lines += ["", "| batch | way | ms a step | M samples/s |", "|---|---|---|---|"]
    for batch, ways in report["training"].items():
        lines += [f"| {batch} | {w} | {e['ms']:.3f} | {e['samples_per_s'] / 1e6:.2f} |" for w, e in ways.items()]
    lines.append("")
    for entry in report["blend"]:
        if "ms" in entry:
            lines.append(f"- Blend of {entry['used']} of {entry['encoders']} encoders: {entry['ms']:.4f} ms.")
    shown = report["to_host"]
    lines.append(
        f"- A new time to image data on the host, {shown['points']} points, {shown['way']}: {shown['ms']:.2f} ms."
    )
    lines += [f"- CoordNet, {name[:-3]}, a million points: {ms:.3f} ms." for name, ms in report["coordnet"].items()]
    lines += [f"- {name}: {ratio:.2f} times." for name, ratio in report["ratios"].items()]
    lines += [f"- Not measured: {note}" for note in report["notes"]]
    if "paper" in report:
        lines += [
            "",
            "| teacher | seconds in all | of them the teacher | PSNR held out | linear |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {row['teacher']} | {row['seconds']:.0f} | {row['teacher_seconds']:.0f} | {row['psnr']:.2f} | "
            f"{row['linear']:.2f} |"
            for row in report["paper"]
        ]
    return "\n".join(lines) + "\n"
