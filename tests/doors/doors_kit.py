"""Every command once, on data whose names and metadata are hostile, with an ear at the network."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from curator.errors import MissingExtraError
from curator.io.mongodb import find_database

BUNNIES = Path(__file__).parents[2] / "sample_data" / "bunnies"
HTML = '<img src=x onerror="window.hit=1">'
SCRIPT = "<script>window.hit=1<∕script>"
TEMPLATE = "{{7*7}}{% raw %}${7*7}"
ESCAPES = "\x1b[2J\x1b]8;;http:evil\x07\x9b31m\u202egpj.exe\u2066"
FORMULA = '=HYPERLINK("http:evil")'
TRAVERSAL = "x\\..\\..\\evil"
CLASSES = (f"{FORMULA}{HTML}{TEMPLATE}", f"@SUM(1){ESCAPES}{SCRIPT}")
FILES = (f"{HTML}{TEMPLATE} %d.jpg", f"+1{ESCAPES} %d.jpg", f"{TRAVERSAL} %d.jpg", "CON %d.jpg", "-2+3 %d.jpg")
SECRETS = ("Jane Q. Photographer", "52.5163N-13.3777E", "A private note", "Serial-4711", "Owner McName")
PER_CLASS = 14
TELEMETRY = {
    "DO_NOT_TRACK": "1", "FIFTYONE_DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}  # fmt: skip
"""What curator tells the libraries below, before they are imported."""

LISTENER = """
import json, os, sys
_log = os.environ["DOORS_LOG"]
def _hear(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo"):
        what = args[0] if event == "socket.getaddrinfo" else args[1] if len(args) > 1 else ""
        with open(_log, "a") as file:
            file.write(json.dumps([event, repr(what)]) + "\\n")
    elif event in ("pickle.find_class", "os.system"):
        with open(_log, "a") as file:
            file.write(json.dumps([event, repr(args)[:300]]) + "\\n")
sys.addaudithook(_hear)
"""
"""A sitecustomize.py: every Python process below tells whom it talks to, and what it unpickles."""

DRIVER = """
import json, os, socket, sys, threading, traceback
from pathlib import Path
if sys.argv[2]:  # its own loopback is down in a network of its own
    import fcntl, struct
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
proxy = socket.create_server(("127.0.0.1", 0))
def listen():
    while True:
        talk, _ = proxy.accept()
        with talk, open(os.environ["DOORS_LOG"], "a") as file:
            talk.settimeout(5)
            file.write(json.dumps(["proxy", " ".join(talk.recv(200).decode("latin-1").split()[:2])]) + "\\n")
threading.Thread(target=listen, daemon=True).start()
where = "127.0.0.1:%d" % proxy.getsockname()[1]
for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
    os.environ[name] = os.environ[name.upper()] = "http://" + where
Path("proxy.txt").write_text(where)
from click.testing import CliRunner
from curator.cli.main import cli
commands = json.loads(sys.argv[1])
codes = {}
for name, command in commands.items():
    with open(os.environ["DOORS_LOG"], "a") as file:
        file.write(json.dumps(["command", name]) + "\\n")
    if name == "browse":  # FiftyOne would look for a database service of other processes, which this network does not reach
        sys.path.insert(0, sys.argv[3])
        from app_kit import own_mongod
        database = own_mongod(Path("home/mongo"))
        os.environ["FIFTYONE_DATABASE_URI"] = database.__enter__()
    done = CliRunner().invoke(cli, command)
    Path(f"said-{name}.txt").write_bytes(done.output_bytes)
    codes[name] = done.exit_code
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        traceback.print_exception(done.exception)
Path("codes.json").write_text(json.dumps(codes))
"""
"""Runs the commands, behind a proxy that takes down who asks for what, and passes nothing on."""


@dataclass(frozen=True)
class Doors:
    """Where the data are, and all that came of the commands."""

    folder: Path
    codes: dict[str, int]
    heard: list[tuple[str, str]]
    errors: str

    def said(self) -> dict[str, bytes]:
        """What each command printed."""
        return {p.stem.removeprefix("said-"): p.read_bytes() for p in sorted(self.folder.glob("said-*.txt"))}

    def asked(self) -> dict[str, set[str]]:
        """Whom each command wanted to talk to, other than a process of its own over a pipe or a socket of this machine.

        FiftyOne's database and its clients find each other on the loopback.
        """
        out: dict[str, set[str]] = {}
        command = ""
        proxy = (self.folder / "proxy.txt").read_text().replace("127.0.0.1:", "('127.0.0.1', ")
        for event, what in self.heard:
            if event == "command":
                command = what
            elif (
                not command
                or what.startswith(("None", "'/", "b'", "''", '"'))
                or what in ("'127.0.0.1'", "'localhost'")
            ):
                continue
            elif what.startswith(proxy) and event == "socket.connect":
                out.setdefault(command, set()).add("the proxy")
            elif command == "browse" and what.startswith(("('127.0.0.1', ", "('localhost', ", "('::1', ")):
                continue
            elif event == "proxy" or event.startswith("socket."):
                out.setdefault(command, set()).add(f"{event} {what}")
        return out

    def results(self) -> list[Path]:
        """Every file that the commands wrote, the cache too."""
        return [
            p for part in ("out", "cache", "exports") for p in sorted((self.folder / part).rglob("*")) if p.is_file()
        ]


def photograph(source: Path, target: Path, n: int) -> None:
    """A small copy of a sample photograph that says who took it, and where."""
    exif = Image.Exif()
    exif[0x013B], exif[0x010E], exif[0x8298], exif[0x010F] = SECRETS[0], SECRETS[2], SECRETS[0], f"{HTML}{TEMPLATE}"
    exif[0x9C9D] = SECRETS[0].encode("utf-16-le")
    inner = exif.get_ifd(0x8769)
    inner[0xA430], inner[0xA431], inner[0x9003], inner[0x9286] = (
        SECRETS[4],
        SECRETS[3],
        "2021:06:05 10:11:12",
        SECRETS[2].encode(),
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 58.68), 29: SECRETS[1]})
    with Image.open(source) as image:
        image.thumbnail((160, 160))
        image.convert("RGB").save(target, "JPEG", quality=80 + n % 3, exif=exif)


def make(folder: Path) -> None:
    """data/, pool/ (both of class folders) and names.csv, with as hostile names as the file system takes."""
    parts = (
        ("data", "train", slice(0, PER_CLASS)),
        ("pool", "test", slice(0, 120, 10)),
        ("test", "test", slice(1, 120, 5)),
    )
    for part, of, some in parts:
        for name, source in zip(CLASSES, ("bunny", "hen"), strict=True):
            (folder / part / name).mkdir(parents=True)
            for k, path in enumerate(sorted((BUNNIES / of / source).iterdir())[some]):
                photograph(path, folder / part / name / FILES[k % len(FILES)].replace("%d", str(k)), k)
    twins = sorted((folder / "data" / CLASSES[0]).iterdir())
    shutil.copy(twins[0], twins[0].with_name(f"{HTML} twin.jpg"))
    (folder / "tables").mkdir()
    with (folder / "tables" / "names.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "=cmd()", HTML])
        for label, name in (("=1+1", CLASSES[0]), ("two", CLASSES[1])):
            for k, path in enumerate(sorted((folder / "data" / name).iterdir())):
                writer.writerow(
                    [f"../{path.relative_to(folder)}", label, ("+a", "-b")[k % 2], f"{TEMPLATE}{k % 3 == 0}"]
                )
    (folder / "few.toml").write_text(
        "[audit]\nn_edited = 0\nn_splits = 2\nn_permutations = 2\n[validate]\nn_random = 19\nn_bootstrap = 20\nn_seeds = 3\n"
    )


def commands(model: str) -> dict[str, list[str]]:
    """The commands, in an order in which each finds what it needs."""
    usual = ["--model", model, "--cache", "cache", "--config", "few.toml"]
    out = [*usual, "--out", "out"]
    pool, table = ["--pool", "pool"], ["tables/names.csv", "--allow-outside"]
    return {
        "embed": ["embed", "data", "--model", model, "--cache", "cache"],
        "embed-auto": ["embed", "data", "--model", "auto", "--cache", "cache"],
        "audit": ["audit", "data", *out, "--fail-on", "any"],
        "audit-again": ["audit", "data", *usual, "--out", "out/again", "--compare", "out/audit.json", "--baseline",
                        "out/audit.json"],
        "audit-table": ["audit", *table, *usual, "--out", "out/table"],
        "recommend": ["recommend", "data", *pool, *out, "--budget", "4"],
        "validate": ["validate", "data", *pool, *out, "--plan", "out/recommendation.csv", "--test", "test"],
        "forecast": ["forecast", "data", *out, "--target", "0.9"],
        "export": ["export", "data", "exports/folders", *out, "--plan", "out/recommendation.csv"],
        "export-bare": ["export", "data", "exports/bare", *out, "--strip-metadata", "--format", "huggingface"],
        "export-csv": ["export", "tables/names.csv", "exports/table", "--allow-outside", *out, "--format", "csv"],
        "export-shards": ["export", "data", "exports/shards", *out, "--format", "webdataset", "--strip-metadata"],
        "verify": ["verify", "out/audit.json", "--cache", "cache"],
        "selftest": ["selftest", "data", *out, "--draws", "1", "--per-class", "10"],
        "doctor": ["doctor", "--cache", "cache"],
        "cache": ["cache", "list", "--cache", "cache"],
        **({"browse": ["browse", "data", *pool, *usual, "--no-wait"]} if has_database() else {}),
    }  # fmt: skip


def has_database() -> bool:
    """Whether the App's data set can be built here."""
    try:
        find_database()
    except MissingExtraError:
        return False
    return True


def run(folder: Path, model: str = "pixels") -> Doors:
    """Make the data, run all commands in one process without a network, and gather what came of it."""
    make(folder)
    (folder / "ear").mkdir()
    (folder / "ear" / "sitecustomize.py").write_text(LISTENER)
    log = folder / "heard.jsonl"
    log.touch()
    # What keeps libraries quiet by itself is left out: CI, and what curator has set for this process already.
    quiet = ("CI", "GITHUB_ACTIONS", "TF_BUILD", *TELEMETRY)
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k not in quiet}
    env |= {"PYTHONPATH": os.pathsep.join([str(folder / "ear"), *sys.path[:0], str(Path(__file__).parents[2])]),
            "DOORS_LOG": str(log), "HOME": str(folder / "home"), "COLUMNS": "100", "OMP_NUM_THREADS": "1"}  # fmt: skip
    done = subprocess.run(
        [*cut_off(), sys.executable, "-c", DRIVER, json.dumps(commands(model)),
         "alone" if cut_off() else "", str(Path(__file__).parents[1])],
        cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    if not (folder / "codes.json").exists():
        raise AssertionError(done.stderr[-4000:])
    heard = [tuple(json.loads(line)) for line in log.read_text().splitlines()]
    return Doors(folder, json.loads((folder / "codes.json").read_text()), heard, done.stderr)


def cut_off() -> list[str]:
    """What starts a program without any network but its own loopback, where this machine allows it; else nothing."""
    program = shutil.which("unshare")
    if program is None:
        return []
    start = [program, "--user", "--map-root-user", "--net"]
    return start if subprocess.run([*start, "true"], capture_output=True).returncode == 0 else []
