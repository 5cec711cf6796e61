"""Working folders: a process locks its folder, and the next sweep removes the folders of killed processes."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bursar import work_dir
from bursar.errors import TransientError

LOCKING_PROCESS = """
import sys, time
from pathlib import Path
from bursar import work_dir
folder = Path(sys.argv[1])
with work_dir.incoming_folder(folder) as incoming, work_dir.hold_folder(folder / "batch-7") as batch:
    (incoming / "fetched").write_bytes(b"who owes what")
    (batch / "STUDENTS-7.xml").write_bytes(b"who owes what")
    print("held", flush=True)
    time.sleep(60)
"""


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_sweep_removes_only_folders_of_ended_processes(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", LOCKING_PROCESS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": "plugins"},
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "held\n"
        assert work_dir.sweep(tmp_path, set()) == 0
        assert list_files(tmp_path) == ["STUDENTS-7.xml", "fetched"]
        worker.send_signal(signal.SIGKILL)
    assert work_dir.sweep(tmp_path, set()) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_keeps_the_file_of_an_unfinished_batch_without_its_drafts(tmp_path: Path) -> None:
    for batch in (7, 8):
        with work_dir.hold_folder(work_dir.batch_folder(tmp_path, batch)) as folder:
            (folder / "built.xml").touch()
            (folder / ".built.xml.123.draft").touch()
    assert work_dir.sweep(tmp_path, {7}) == 1
    assert list_files(tmp_path) == ["built.xml"]


def test_a_removed_folder_is_created_again(tmp_path: Path) -> None:
    folder = work_dir.batch_folder(tmp_path, 7)
    with work_dir.hold_folder(folder), work_dir.hold_folder(folder):
        assert work_dir.remove_folder(folder) is False
    assert work_dir.remove_folder(folder) is True
    with work_dir.hold_folder(folder):
        assert folder.is_dir()


def test_a_full_disk_is_a_transient_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "built.xml"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with (
            pytest.raises(TransientError, match=rf"{path}: the disk of this machine is full"),
            work_dir.atomic_write(path) as draft,
        ):
            draft.write_bytes(bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"built.xml": b"old"}


def test_a_sweep_does_not_follow_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs").touch()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "batch-9").symlink_to(outside)
    work_dir.sweep(tmp_path / "work", set())
    assert list_files(outside) == ["theirs"]
