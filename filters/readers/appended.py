"""VTK's XML files with appended data, for a VTK whose parser refuses them.

VTK hands appended data to the expat library, which in newer releases, Debian's 2.5.0-1+deb12u5 among them, finds it "not
well-formed" (VTK issue 19258). The same file with its data inline is read with every release.
"""

from __future__ import annotations

import base64
import functools
import html
import re
import shutil
import struct
import tempfile
import weakref
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from hyperinr.filters.image import captured_messages
from hyperinr_core.errors import DataError

_DATA_ARRAY = re.compile(rb"""<DataArray\b[^>]*\bformat\s*=\s*["']appended["'][^>]*>""")
_OFFSET = re.compile(rb"""\boffset\s*=\s*["'](\d+)["']""")
_SOURCE = re.compile(r"""(<Piece\b[^>]*\bSource\s*=\s*)(["'])(.*?)\2""")


def read_from(reader: Any, path: Path) -> None:
    """Point a vtkXMLDataReader at a file, by way of a copy with inline data where its parser needs that."""
    reader.SetFileName(str(path))
    if parser_takes_appended_data():
        return
    if path.suffix.lower().startswith(".p"):
        _read_pieces_from(reader, path)
        return
    text = _inlined(path)
    if text is not None:
        reader.SetReadFromInputString(True)
        reader.SetInputString(text)


def _read_pieces_from(reader: Any, path: Path) -> None:
    """Point the reader of a file that names pieces at a copy that names copies of them, which live as long as it does."""
    folder = Path(tempfile.mkdtemp(prefix="hyperinr-pieces-"))
    weakref.finalize(reader, shutil.rmtree, folder, ignore_errors=True)
    copied = 0

    def copy(match: re.Match) -> str:
        nonlocal copied
        source = path.parent / html.unescape(match[3])
        text = _inlined(source) if source.is_file() else None
        if text is None:
            return f"{match[1]}{quoteattr(str(source.absolute()))}"
        copied += 1
        piece = folder / f"{copied}{source.suffix}"
        piece.write_text(text, encoding="utf-8")
        return f"{match[1]}{quoteattr(str(piece))}"

    whole = _SOURCE.sub(copy, path.read_text(encoding="utf-8", errors="replace"))
    if copied:
        renamed = folder / path.name
        renamed.write_text(whole, encoding="utf-8")
        reader.SetFileName(str(renamed))


@functools.cache
def parser_takes_appended_data() -> bool:
    """Whether VTK reads back what it has written with raw appended data."""
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter

    image = vtkImageData()
    image.SetDimensions(16, 16, 16)
    image.AllocateScalars(11, 1)  # VTK_DOUBLE, with whatever bytes the memory held
    array = image.GetPointData().GetScalars()
    for index in range(array.GetNumberOfTuples()):
        array.SetTuple1(index, 1 / (index + 1))
    writer = vtkXMLImageDataWriter()
    writer.SetInputData(image)
    writer.SetCompressorTypeToNone()
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.WriteToOutputStringOn()
    writer.Write()
    reader = vtkXMLImageDataReader()
    reader.SetReadFromInputString(True)
    reader.SetInputString(writer.GetOutputString())
    with captured_messages() as messages:
        reader.Update()
    return not messages and reader.GetOutput().GetNumberOfPoints() == image.GetNumberOfPoints()


def _inlined(path: Path) -> str | None:
    """The text of the file with its data inline; None for a file without appended data.

    Raises DataError when the data is shorter than the file says.
    """
    content = path.read_bytes()
    section = re.search(rb"""<AppendedData\b[^>]*\bencoding\s*=\s*["'](\w+)["'][^>]*>\s*_""", content)
    if section is None:
        return None
    head, start, is_raw = content[: section.start()], section.end(), section[1] == b"raw"
    number = "Q" if re.search(rb"""header_type\s*=\s*["']UInt64["']""", head) else "I"
    order = ">" if re.search(rb"""byte_order\s*=\s*["']BigEndian["']""", head) else "<"
    is_compressed = re.search(rb"<VTKFile\b[^>]*\bcompressor\s*=", head) is not None
    starts = sorted({start + int(offset) for offset in _OFFSET.findall(head)})
    end = dict(zip(starts, [*starts[1:], content.find(b"</AppendedData", start)]))  # of data that is text already

    def inline(match: re.Match[bytes]) -> bytes:
        tag = match[0]
        said = _OFFSET.search(tag)
        if said is None:
            raise DataError(f"{path} has appended data without an offset; expected one for each array, write it again")
        offset = start + int(said[1])
        try:
            data = (
                _raw_block(content, offset, order, number, is_compressed) if is_raw else content[offset : end[offset]]
            )
        except (struct.error, ValueError):
            raise DataError(f"{path} is shorter than its header says; expected a whole file, write it again") from None
        tag = re.sub(rb"""\s(offset|format)\s*=\s*["']\w+["']""", b"", tag).rstrip(b"/>") + b' format="binary">'
        # an element that was empty gets an end, one that had an end keeps it
        return tag + data + (b"</DataArray>" if match[0].endswith(b"/>") else b"")

    return (_DATA_ARRAY.sub(inline, head) + b"</VTKFile>").decode("utf-8", "replace")


def _raw_block(content: bytes, offset: int, order: str, number: str, is_compressed: bool) -> bytes:
    """One array's header and data in base64, as inline data has them."""
    size = struct.calcsize(number)
    (first,) = struct.unpack_from(order + number, content, offset)
    if not is_compressed:
        return base64.b64encode(_cut(content, offset, size + first))
    header = (3 + first) * size if first else size
    compressed = sum(struct.unpack_from(f"{order}{first}{number}", content, offset + 3 * size)) if first else 0
    return base64.b64encode(_cut(content, offset, header)) + base64.b64encode(
        _cut(content, offset + header, compressed)
    )


def _cut(content: bytes, start: int, length: int) -> bytes:
    if start + length > len(content):
        raise ValueError("the data ends early")
    return content[start : start + length]
