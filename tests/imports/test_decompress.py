"""Decompressing: plain, .gz and .zip files give the same bytes; damaged and too large archives are rejected."""

import gzip
import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.errors import InputFileError
from bursar.imports.decompress import MAX_DIRECTORY, MAX_RATIO, MIN_LIMIT, open_decompressed
from bursar.layouts.alma_xml.parse import parse_records

SAMPLE = (Path(__file__).parents[1] / "samples" / "export.xml").read_bytes()
ZEROS = bytes(1024 * 1024)


def make_zip(
    *members: str | zipfile.ZipInfo, content: bytes = SAMPLE, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.comment = comment
        for member in members:
            archive.writestr(member, content, method)
    return packed.getvalue()


def make_member(name: str = "paid.xml", mode: int = 0, attributes: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16 | attributes
    return info


def set_flags(packed: bytes, flags: int) -> bytes:
    """Returns an archive of one member with other flags in both of its headers."""
    changed = bytearray(packed)
    for header, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        struct.pack_into("<H", changed, packed.index(header) + offset, flags)
    return bytes(changed)


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[[bytes, str], bytes]:
    def unpack(packed: bytes, name: str) -> bytes:
        path = tmp_path / "fetched"
        path.write_bytes(packed)
        with open_decompressed(path, name) as source:
            return source.read()

    return unpack


@pytest.mark.parametrize(
    ("packed", "name"),
    [
        (SAMPLE, "paid.xml"),
        (SAMPLE, "paid"),
        (gzip.compress(SAMPLE), "paid.xml.gz"),
        (gzip.compress(SAMPLE), "paid.xml"),
        (gzip.compress(SAMPLE[:1]) + gzip.compress(SAMPLE[1:]), "paid.gz"),
        (gzip.compress(SAMPLE) + bytes(100), "paid.GZ"),
        (make_zip("paid.xml"), "paid.zip"),
        (make_zip("paid.xml"), "paid.xml"),
        (make_zip("paid.xml", method=zipfile.ZIP_STORED), "paid.zip"),
        (make_zip("paid.xml", "__MACOSX/", "__MACOSX/._paid.xml", ".DS_Store"), "paid.zip"),
        (make_zip("Größe 1.xml", comment=b"x" * 65_535), "paid.zip"),
        (make_zip(make_member(mode=stat.S_IFREG | 0o644)), "paid.zip"),
    ],
)
def test_every_kind_of_file_gives_the_same_xml(unpack: Callable[[bytes, str], bytes], packed: bytes, name: str) -> None:
    assert unpack(packed, name) == SAMPLE


def test_an_empty_file_is_no_error(unpack: Callable[[bytes, str], bytes]) -> None:
    assert (
        unpack(b"", "paid.xml")
        == unpack(gzip.compress(b""), "paid.gz")
        == unpack(make_zip("a", content=b""), "a")
        == b""
    )


@pytest.mark.parametrize(
    ("packed", "name", "reason"),
    [
        (SAMPLE, "a.gz", "ends in .gz and is no such archive"),
        (SAMPLE, "a.xml.ZIP", "ends in .zip and is no such archive"),
        (b"", "a.zip", "ends in .zip and is no such archive"),
        (make_zip(), "a.zip", "has 0 files in it"),
        (make_zip("a.xml", "b.xml"), "a.zip", "has 2 files in it"),
        (make_zip("a.xml", "folder/"), "a.zip", "has 2 files in it"),
        (make_zip("a.xml", "b.xml", "__MACOSX/"), "a.zip", "has 2 files in it"),
        (make_zip("__MACOSX/a.xml"), "a.zip", "has 0 files in it"),
        (make_zip("[Content_Types].xml", "xl/workbook.xml"), "a.xlsx", "is an Excel workbook (.xlsx)"),
        (make_zip("word/document.xml", "[Content_Types].xml"), "a.xml", "is a Word document (.docx)"),
        (make_zip("mimetype", "content.xml"), "a.xml", "is a spreadsheet or document (OpenDocument)"),
        (gzip.compress(make_zip("_rels/.rels", "xl/workbook.xml")), "a.gz", ": an Excel workbook (.xlsx)."),
        (make_zip("a.xlsx", content=make_zip("[Content_Types].xml")), "a.zip", ": a document of Microsoft Office."),
        (b"<html>Not found</html>", "a.zip", "ends in .zip and is no such archive but a web page (HTML)"),
        (b"%PDF-1.4", "a.gz", "ends in .gz and is no such archive but a PDF document"),
        (make_zip("folder/"), "a.zip", "has folders in it"),
        (make_zip("folder/a.xml"), "a.zip", "has folders in it"),
        (make_zip("../a.xml"), "a.zip", "has folders in it"),
        (make_zip("/etc/passwd"), "a.zip", "has folders in it"),
        (make_zip("..\\a.xml"), "a.zip", "has folders in it"),
        (make_zip("C:a.xml"), "a.zip", "has folders in it"),
        (make_zip(".."), "a.zip", "has folders in it"),
        (make_zip(make_member(mode=stat.S_IFLNK | 0o777)), "a.zip", "has a folder or a link in it"),
        (make_zip(make_member(mode=stat.S_IFDIR | 0o755)), "a.zip", "has a folder or a link in it"),
        (make_zip(make_member(mode=stat.S_IFIFO | 0o644)), "a.zip", "has a folder or a link in it"),
        (make_zip(make_member(attributes=0x10)), "a.zip", "has a folder or a link in it"),
        (set_flags(make_zip("a.xml"), 0x1), "a.zip", "has a password"),
        (set_flags(make_zip("a.xml"), 0x41), "a.zip", "has a password"),
        (set_flags(make_zip("a.xml"), 0x40), "a.zip", "is damaged or cut off"),
        (make_zip("a.xml", method=zipfile.ZIP_BZIP2), "a.zip", "has an unusual compression"),
        (make_zip("a.xml", method=zipfile.ZIP_LZMA), "a.zip", "has an unusual compression"),
        (gzip.compress(gzip.compress(SAMPLE)), "a.gz", "an archive within an archive"),
        (gzip.compress(make_zip("a.xml")), "a.gz", "an archive within an archive"),
        (make_zip("a.zip", content=make_zip("a.xml")), "a.zip", "an archive within an archive"),
        (make_zip("a.gz", content=gzip.compress(SAMPLE)), "a.zip", "an archive within an archive"),
        (gzip.compress(SAMPLE)[:-1], "a.gz", "is damaged or cut off"),
        (gzip.compress(SAMPLE)[:2], "a.gz", "is damaged or cut off"),
        (gzip.compress(SAMPLE)[:-8] + bytes(8), "a.gz", "is damaged or cut off"),
        (gzip.compress(SAMPLE) + b"more", "a.gz", "is damaged or cut off"),
        (make_zip("a.xml")[:-1], "a.zip", "is damaged or cut off"),
        (make_zip("a.xml")[:-23], "a.zip", "is damaged or cut off"),
        (make_zip("a.xml")[1:], "PK.zip", "ends in .zip and is no such archive"),
        (b"PK", "a.zip", "is damaged or cut off"),
        (make_zip("a.xml").replace(b"PK\3\4", b"PK\0\0"), "a.zip", "is damaged or cut off"),
    ],
)
def test_an_archive_without_exactly_one_good_file_is_rejected(
    unpack: Callable[[bytes, str], bytes], packed: bytes, name: str, reason: str
) -> None:
    with pytest.raises(InputFileError) as caught:
        unpack(packed, name)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert reason in message
    assert message.endswith((" in it.", " again."))


def test_damaged_data_is_rejected(unpack: Callable[[bytes, str], bytes]) -> None:
    for packed, name in ((gzip.compress(SAMPLE), "a.gz"), (make_zip("a.xml"), "a.zip")):
        middle = len(packed) // 2
        broken = packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :]
        with pytest.raises(InputFileError, match="damaged or cut off"):
            unpack(broken, name)


@pytest.mark.parametrize(
    "bomb", [gzip.compress(ZEROS * 64, 9), make_zip("a.xml", content=ZEROS * 64)], ids=["gz", "zip"]
)
def test_a_decompression_bomb_is_stopped_at_the_limit_in_little_memory(tmp_path: Path, bomb: bytes) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb)
    limit = MAX_RATIO * len(bomb) + MIN_LIMIT
    assert limit < 64 * len(ZEROS)
    blocks: list[int] = []

    def drain() -> None:
        with open_decompressed(path, "bomb") as source:
            while block := source.read(8 * 1024):
                blocks.append(len(block))

    tracemalloc.start()
    try:
        with pytest.raises(InputFileError, match=rf"^bomb: decompresses to more than {limit:,} bytes"):
            drain()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert limit - 64 * 1024 < sum(blocks) <= limit
    assert peak < 1_000_000


def test_a_file_may_be_as_large_as_the_limit(unpack: Callable[[bytes, str], bytes]) -> None:
    content = bytes(MIN_LIMIT + MAX_RATIO * 1_000)
    packed = make_zip("a.xml", content=content)
    assert unpack(packed, "a.zip") == content


def test_an_archive_with_a_large_directory_is_rejected(unpack: Callable[[bytes, str], bytes]) -> None:
    names = [f"{i:05}{'x' * 995}" for i in range(MAX_DIRECTORY // 1_000)]
    with pytest.raises(InputFileError, match="damaged or cut off"):
        unpack(make_zip(*names, content=b"", method=zipfile.ZIP_STORED), "a.zip")


def test_a_decompressed_file_can_be_parsed(tmp_path: Path) -> None:
    path = tmp_path / "paid.zip"
    path.write_bytes(make_zip("paid.xml"))
    with open_decompressed(path, path.name) as source:
        assert [record.transaction_id for record in parse_records(source, path.name)] == ["70001", "70002", "70003"]


PACKED = [gzip.compress(SAMPLE, mtime=0), make_zip(make_member()), make_zip(make_member(), method=zipfile.ZIP_STORED)]


@pytest.mark.parametrize("packed", PACKED, ids=["gz", "zip", "zip, stored"])
def test_an_archive_that_is_cut_off_anywhere_is_rejected(unpack: Callable[[bytes, str], bytes], packed: bytes) -> None:
    for end in range(len(packed)):
        with pytest.raises(InputFileError):
            unpack(packed[:end], "a.gz")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    packed=st.sampled_from(PACKED),
    places=st.lists(st.integers(1, 150), min_size=1, max_size=5),
    at_end=st.booleans(),
    put=st.binary(min_size=1, max_size=8),
)
def test_changed_bytes_give_the_same_content_or_an_error(
    unpack: Callable[[bytes, str], bytes], packed: bytes, places: list[int], at_end: bool, put: bytes
) -> None:
    changed = bytearray(packed)
    for place in places:
        at = len(changed) - place if at_end else place
        changed[at : at + len(put)] = put
    try:
        content = unpack(bytes(changed), "a.gz")
    except InputFileError:
        return
    assert content == SAMPLE
