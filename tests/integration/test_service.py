"""`bookhopper service`: what it writes, that systemd understands it, and what it leaves alone."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bookhopper.cli import main
from bookhopper.errors import BookhopperError
from bookhopper.service import install
from bookhopper.service.unit import command_line, with_key, word
from bookhopper.settings import Settings

SHIPPED = Path(__file__).resolve().parents[2] / "systemd"
UNIT = Path("etc/systemd/system/bookhopper.service")
MOST_EXPOSED = 15
"""In tenths, which is how `systemd-analyze security` takes it."""

HARDENING = [  # each of the reference, as far as it stands there
    "Type=notify", "NotifyAccess=main", "WatchdogSec=", "Restart=on-failure", "User=", "UMask=",
    "StateDirectory=", "CacheDirectory=", "RuntimeDirectory=", "ReadWritePaths=", "RequiresMountsFor=",
    "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes",
    "DevicePolicy=closed", "PrivateIPC=yes", "PrivateMounts=yes", "RemoveIPC=yes",
    "ProtectProc=invisible", "ProtectKernelTunables=", "ProtectKernelModules=", "ProtectKernelLogs=",
    "ProtectControlGroups=", "ProtectClock=", "ProtectHostname=yes", "KeyringMode=private",
    "NoNewPrivileges=yes", "CapabilityBoundingSet=", "AmbientCapabilities=", "RestrictNamespaces=",
    "RestrictRealtime=", "RestrictSUIDSGID=yes", "LockPersonality=yes", "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native", "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged",
    "SystemCallErrorNumber=EPERM", "MemoryMax=", "TasksMax=", "LimitNOFILE=", "TimeoutStopSec=",
    "ExecReload=", "RestartPreventExitStatus=2",
]  # fmt: skip


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def bookhopper(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["service", *arguments])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


def configured(folder: Path, **sections: object) -> Path:
    folders = {name: f"/srv/books/{name}" for name in ("requests", "ingest", "state")}
    path = folder / "bookhopper.yaml"
    path.write_text(yaml.safe_dump({"folders": folders, **sections}), encoding="utf-8")
    return path


def values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def installed(root: Path, *arguments: str) -> str:
    ended = bookhopper("install", "--root", str(root), *arguments)
    assert ended.exit_code == 0, ended.output
    return (root / UNIT).read_text(encoding="utf-8")


# what systemd says of it


def test_the_shipped_unit_has_every_line_of_a_hardened_one() -> None:
    lines = (SHIPPED / "bookhopper.service").read_text(encoding="utf-8").splitlines()
    for wanted in HARDENING:
        assert any(line.startswith(wanted) for line in lines), wanted
    assert not any(line.startswith(("ProcSubset=", "PrivateUsers=")) for line in lines)


def test_systemd_understands_every_line(root: Path, tmp_path: Path) -> None:
    sources = [{"kind": "folder", "path": "/home/reader/books"}]
    for name, arguments in {
        "shipped": [],
        "of a configuration": ["--config", str(configured(tmp_path, sources=sources))],
    }.items():
        installed(root, *arguments)
        checked = analyze("verify", "--man=no", str(root / UNIT))
        assert (checked.returncode, checked.stderr) == (0, ""), name


def test_systemd_understands_a_user_s_own(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    ended = bookhopper("install", "--user")
    assert ended.exit_code == 0, ended.output
    path = tmp_path / "config/systemd/user/bookhopper.service"
    checked = analyze("--user", "verify", "--man=no", str(path))
    assert (checked.returncode, checked.stderr) == (0, "")
    unit = path.read_text(encoding="utf-8")
    assert not values(unit, "ProtectHome")
    assert not values(unit, "User")
    assert values(unit, "WantedBy") == ["default.target"]
    assert values(unit, "NoNewPrivileges") == ["yes"]


def test_an_unknown_key_would_be_told(root: Path) -> None:
    installed(root)
    unit = root / UNIT
    unit.write_text(unit.read_text().replace("MemoryMax=", "MemoryMaximum="), encoding="utf-8")
    assert "MemoryMaximum" in analyze("verify", "--man=no", str(unit)).stderr


@pytest.mark.parametrize("home", [False, True])
def test_it_is_hardly_exposed(root: Path, tmp_path: Path, home: bool) -> None:
    sources = [{"kind": "folder", "path": "/home/reader/books" if home else "/srv/shelf"}]
    installed(root, "--config", str(configured(tmp_path, sources=sources)))
    judged = analyze(
        "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(root / UNIT)
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_drop_in_is_for_those_who_know_it(root: Path) -> None:
    service = install.Service(["/usr/bin/bookhopper"], None)
    drop_in = Path("etc/systemd/system/bookhopper.service.d/10-notify-reload.conf")
    assert drop_in not in install.files(Settings(), service, 252)
    assert values(install.files(Settings(), service, 253)[drop_in], "Type") == ["notify-reload"]
    assert set(install.files(Settings(), service, 253)) == set(install.places(own=False))
    own = install.Service(["/usr/bin/bookhopper"], None, own=True)
    assert set(install.files(Settings(), own, 253)) == set(install.places(own=True))


def made_by(tool: str, root: Path, *arguments: str) -> None:
    if shutil.which(tool) is None or os.geteuid():
        pytest.skip(f"{tool} is not installed, or this is not root")
    ended = subprocess.run([tool, f"--root={root}", *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_account_is_made(root: Path) -> None:
    installed(root)
    made_by("systemd-sysusers", root)
    assert ":/var/lib/bookhopper:/usr/sbin/nologin" in (root / "etc/passwd").read_text()


def test_folders_are_made_and_those_that_are_there_are_left_alone(root: Path) -> None:
    installed(root)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nbookhopper:x:777:777::/:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nbookhopper:x:777:\n")
    ingest = root / "srv/bookhopper/ingest"
    ingest.mkdir(parents=True, mode=0o700)
    made_by("systemd-tmpfiles", root, "--create")
    new = (root / "srv/bookhopper/requests").stat()
    assert (new.st_mode & 0o7777, new.st_uid, new.st_gid) == (0o2775, 777, 777)
    old = ingest.stat()
    assert (old.st_mode & 0o7777, old.st_uid) == (0o700, 0)


# what is in it


def test_it_names_this_installation_and_the_configuration_s_folders(root: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("home", "way out"):
        (secrets / name).write_text("http://127.0.0.1:3128" if name == "way out" else "secret")
    sources = [
        {"kind": "opds", "name": "home", "url": "http://127.0.0.1/opds", "username": "reader",
         "password_file": str(secrets / "home"), "proxy_file": str(secrets / "way out")},
        {"kind": "gutenberg"},
    ]  # fmt: skip
    path = configured(tmp_path, sources=sources, grace="2 m")
    unit = installed(root, "--config", str(path), "--account", "reader", "--memory", "512 MiB")
    (started,) = values(unit, "ExecStart")
    assert started.endswith(f"run --config {path}")
    assert Path(started.split()[0]).is_file()
    assert values(unit, "ReadWritePaths") == ["/srv/books/requests /srv/books/ingest /srv/books/state"]
    assert values(unit, "RequiresMountsFor") == ["/srv/books/requests /srv/books/ingest /srv/books/state"]
    assert values(unit, "LoadCredential") == [
        f"home.proxy:{secrets}/way out",
        f"home.password:{secrets}/home",
    ]
    assert values(unit, "User") == ["reader"]
    assert not values(unit, "Group")
    assert values(unit, "MemoryMax") == [str(512 * 1024**2)]
    assert values(unit, "TasksMax") == ["512"]
    assert values(unit, "TimeoutStopSec") == ["145"]
    assert values(unit, "ProtectHome") == ["yes"]
    assert not values(unit, "StateDirectory")
    assert f"{tmp_path}" in values(unit, "BindReadOnlyPaths"), "for the private /tmp would hide it"
    assert not (root / "etc/sysusers.d/bookhopper.conf").exists(), "somebody's account is there already"


def test_folders_in_a_home_are_reached_though_homes_are_shut_off(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "bookhopper.yaml"
    home = {
        "requests": "/home/reader/My Books/want",
        "ingest": "/home/reader/ingest",
        "state": "/var/lib/bookhopper",
    }
    script = {"after_verify": "/home/reader/bin/look", "after_delivery": ["/home/reader/my bin/tell", "-q"]}
    path.write_text(
        yaml.safe_dump({"folders": home, "calibre_library": "/home/reader/calibre", "script": script})
    )
    unit = installed(root, "--config", str(path))
    assert values(unit, "ProtectHome") == ["tmpfs"]
    assert {"/home/reader/bin", '"/home/reader/my bin"'} <= set(values(unit, "BindReadOnlyPaths"))
    assert values(unit, "BindPaths") == ['"/home/reader/My Books/want"', "/home/reader/ingest"]
    assert "/home/reader/calibre" in values(unit, "BindReadOnlyPaths")
    assert not values(unit, "ReadWritePaths")
    assert values(unit, "StateDirectory") == ["bookhopper"]


def test_words_of_a_unit() -> None:
    assert word("/plain") == "/plain"
    assert word('/a "b" 100%\\c') == '"/a \\"b\\" 100%%\\\\c"'
    assert command_line(["/bin/x", "$HOME"]) == "/bin/x $$HOME"
    with pytest.raises(BookhopperError, match="cannot stand in a unit file"):
        word("/two\nlines")
    text = with_key("[Unit]\nA=1\nA=2\n\n[Service]\nB=1\n", "Unit", "A", "3")
    assert with_key(text, "Unit", "C", "4") == "[Unit]\nA=3\nC=4\n\n[Service]\nB=1\n"
    assert with_key(text, "Service", "B") == "[Unit]\nA=3\n\n[Service]\n"


# what it does to the disk


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_dry_run_prints_what_would_be_written(root: Path) -> None:
    printed = bookhopper("install", "--root", str(root), "--dry-run")
    assert printed.exit_code == 0, printed.output
    assert contents(root) == {}
    installed(root)
    for path, content in contents(root).items():
        assert f"# {path}\n{content.decode()}" in printed.output


def test_twice_is_once_and_uninstalling_leaves_data_alone(root: Path) -> None:
    installed(root)
    before = contents(root)
    again = bookhopper("install", "--root", str(root))
    assert {line.split()[0] for line in again.output.splitlines() if str(root) in line} == {"unchanged"}
    assert contents(root) == before
    for folder in ("srv/bookhopper/ingest", "var/lib/bookhopper"):
        (root / folder).mkdir(parents=True)
        (root / folder / "kept").write_text("data")
    kept = {root / "srv/bookhopper/ingest/kept", root / "var/lib/bookhopper/kept"}
    kept |= {root / "etc/bookhopper/bookhopper.yaml"}
    rehearsed = bookhopper("uninstall", "--root", str(root), "--dry-run")
    assert f"would remove {root / UNIT}" in rehearsed.output
    assert (root / UNIT).exists()
    ended = bookhopper("uninstall", "--root", str(root))
    assert ended.exit_code == 0, ended.output
    assert set(contents(root)) == kept
    assert "nothing of bookhopper's" in bookhopper("uninstall", "--root", str(root)).output


def test_who_came_by_sudo_is_told_what_to_type_and_that_their_own_file_is_not_read(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = pwd.struct_passwd(("anna", "x", 1000, 1000, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _: caller)
    monkeypatch.setenv("SUDO_USER", "anna")
    yours = tmp_path / ".config" / "bookhopper" / "bookhopper.yaml"
    yours.parent.mkdir(parents=True)
    yours.write_text("")
    first = bookhopper("install", "--root", str(root)).stdout
    assert f"Mind: {yours} is for you alone; the service reads /etc/bookhopper/bookhopper.yaml" in first
    assert "Next: sudo systemd-sysusers && sudo systemd-tmpfiles --create && sudo systemctl daemon" in first
    assert "Mind:" not in bookhopper("install", "--root", str(root)).stdout
    assert "Next: sudo systemctl disable --now" in bookhopper("uninstall", "--root", str(root)).stdout


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_unit_of_somebody_else_s_stays(root: Path, command: str) -> None:
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).write_text("[Service]\nExecStart=/bin/mine\n")
    ended = bookhopper(command, "--root", str(root))
    assert ended.exit_code == 1
    assert "was not written by `bookhopper service install`: move it away first" in ended.output
    assert (root / UNIT).read_text() == "[Service]\nExecStart=/bin/mine\n"


def test_a_service_for_everybody_has_no_home(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "bookhopper.yaml"
    path.write_text("folders: {requests: /srv/books/requests}\n")
    ended = bookhopper("install", "--root", str(root), "--config", str(path))
    assert ended.exit_code == 1
    assert "name ingest, state there as well" in ended.output
    assert contents(root) == {}


def test_without_the_right_to_write_it_says_what_to_do(root: Path) -> None:
    (root / "etc").write_text("a file in the way")
    ended = bookhopper("install", "--root", str(root))
    assert ended.exit_code == 1
    assert "cannot be written" in ended.output
    assert "run it as root (sudo), or with --user for yourself" in ended.output
    assert len(ended.output.splitlines()) == 1
