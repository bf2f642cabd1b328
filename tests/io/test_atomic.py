"""Whole files: a reader never sees half of one, and a later run removes what a killed one left, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from curator.io import atomic
from curator.io.atomic import sweep, unfinished, write_whole

WRITER = """
import sys, time
from curator.io.atomic import write_whole

def slowly(part):
    part.write_bytes(b"half")
    print("half", flush=True)
    time.sleep(60)

write_whole(sys.argv[1], slowly)
"""


@pytest.fixture
def writer(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "a.txt")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half\n"
    yield process
    process.kill()
    process.wait()


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_whole(path, lambda part: part.write_bytes(b"one"))

    def fail(part):
        assert part.suffix == ".txt"
        part.write_bytes(b"half of two")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, fail)
    assert path.read_bytes() == b"one"
    assert os.listdir(path.parent) == ["a.txt"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, writer):
    assert len(os.listdir(tmp_path)) == 1
    sweep(tmp_path)
    assert len(os.listdir(tmp_path)) == 1  # it lives
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    write_whole(tmp_path / "b.txt", lambda part: part.write_bytes(b"two"))
    assert os.listdir(tmp_path) == ["b.txt"]


def test_an_unfinished_folder_goes_as_well_and_what_is_not_ours_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / unfinished().replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    (left / "deep").mkdir(parents=True)
    for name in (".part", ".curator-x.part", "curator.part", ".a.txt.part"):
        (tmp_path / name).write_text("theirs")
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".a.txt.part", ".curator-x.part", ".part", "curator.part"]


def test_what_another_machine_writes_is_left_for_an_hour(tmp_path):
    path = tmp_path / unfinished(".npy").replace(atomic._host(), "0" * 8)
    path.write_text("theirs")
    sweep(tmp_path)
    assert path.exists()
    os.utime(path, (0, path.stat().st_mtime - atomic.STALE_SECONDS - 9))
    sweep(tmp_path)
    assert not path.exists()
