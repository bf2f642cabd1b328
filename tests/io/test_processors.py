"""Threads for the processors that a process may use, not for those that the machine has."""

import os
import subprocess
import sys

import pytest

from curator.io import processors


def group(root, path: str, **files: str):
    folder = root / "cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def quota(root, own: str):
    (root / "own").write_text(own)
    return processors.quota(root / "cgroup", root / "own")


@pytest.mark.parametrize(
    ("limit", "expected"), [("150000 100000\n", 1.5), ("50000 100000\n", 0.5), ("max 100000\n", None), ("soon", None)]
)
def test_the_share_of_a_container_is_read(tmp_path, limit, expected):
    group(tmp_path, "", cpu__max=limit)
    assert quota(tmp_path, "0::/\n") == expected


def test_the_tightest_group_above_counts(tmp_path):
    group(tmp_path, "", cpu__max="max 100000")
    group(tmp_path, "pod", cpu__max="200000 100000")
    group(tmp_path, "pod/me", cpu__max="800000 100000")
    group(tmp_path, "pod/other", cpu__max="10000 100000")
    assert quota(tmp_path, "0::/pod/me\n") == 2.0


def test_a_path_of_the_host_is_the_root_here(tmp_path):
    group(tmp_path, "", cpu__max="300000 100000")
    assert quota(tmp_path, "0::/docker/0123/not/here\n") == 3.0


@pytest.mark.parametrize(("us", "expected"), [("250000", 2.5), ("-1", None)])
def test_the_first_version_of_control_groups_is_read(tmp_path, us, expected):
    group(tmp_path, "cpu/me", cpu__cfs_quota_us=us, cpu__cfs_period_us="100000")
    group(tmp_path, "cpu/other", cpu__cfs_quota_us="1000", cpu__cfs_period_us="100000")
    assert quota(tmp_path, "5:memory:/other\n4:cpu,cpuacct:/me\n") == expected


def test_no_control_groups_are_no_limit(tmp_path):
    assert processors.quota(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("share", "expected"), [(0.2, 1), (1.5, 2), (2.0, 2), (1e6, 64), (None, 64)])
def test_a_share_bounds_the_processors(monkeypatch, share, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(processors, "quota", lambda: share)
    assert processors.available() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_process_held_to_one_processor_takes_one_thread():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from curator.io import processors; print(processors.available())"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\nvmx flags\t: vnmi\n\nprocessor\t: 1\n",
            {"fpu", "avx2", "avx512_vnni"},
        ),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("processor\t: 0\n", set()),
        (None, set()),
    ],
)
def test_the_instructions_of_the_processor_are_those_that_the_system_names(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert processors.instructions(tmp_path / "cpuinfo") == expected
