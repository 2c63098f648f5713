"""The wheel and the sdist: what is in them, and what those have who install them with pip or Debian's pipx.

An editable install is what these tests run from, in a venv as the README says.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bookhopper import __version__, shipped

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip")
SHARED = {
    "share/bash-completion/completions/bookhopper": "completion/bash/bookhopper",
    "share/fish/vendor_completions.d/bookhopper.fish": "completion/fish/bookhopper.fish",
    "share/man/man1/bookhopper.1": "man/bookhopper.1",
    "share/zsh/site-functions/_bookhopper": "completion/zsh/_bookhopper",
}
"""What a wheel puts beside the package, and which of its files that is."""

pytestmark = pytest.mark.timeout(300)


def kept() -> list[str]:
    """Name every file of the project."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone: nothing tells which files there are to be")
    return [name for name in os.fsdecode(listed.stdout).split("\0") if name and os.path.lexists(ROOT / name)]


def environment(**changes: str) -> dict[str, str]:
    """Give an environment without this project in it, and with the machine's settings for pip."""
    foreign = ("BOOKHOPPER_", "COVERAGE_", "PIPX_", "PYTHON", "XDG_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own = Path.home() / ".config" / "pip" / "pip.conf"
    pip = {"PIP_CACHE_DIR": str(Path.home() / ".cache" / "pip")}
    if own.is_file():
        pip["PIP_CONFIG_FILE"] = str(own)
    return pip | plain | changes


def done(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that has to go well."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=variables if variables is not None else environment(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def needed(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def wheel_of(source: Path, goal: Path) -> Path:
    done([*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", goal, source], goal.parent)
    (made,) = goal.glob("bookhopper-*.whl")
    return made


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is, with nothing that tools have left in it but an earlier version's build."""
    folder = tmp_path_factory.mktemp("clone")
    for name in kept():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    left = folder / "build" / "lib" / "bookhopper" / "gone.py"
    left.parent.mkdir(parents=True)
    left.touch()
    return folder


@pytest.fixture(scope="session")
def sdist(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed, and pip makes no sdist")
    copy = tmp_path_factory.mktemp("sdist") / "clone"
    shutil.copytree(clone, copy, symlinks=True)
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    done([sys.executable, "-c", build, copy.parent], copy)
    (made,) = copy.parent.glob("bookhopper-*.tar.gz")
    return made


@pytest.fixture(scope="session")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(clone, tmp_path_factory.mktemp("wheel") / "made")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    found = contents(wheel)
    wanted = {}
    for name in kept():
        if name.startswith(("config/", "systemd/")):
            wanted[f"bookhopper/shipped/{name}"] = name
        elif name.startswith("daemon/bookhopper/") and not (ROOT / name).is_symlink():
            wanted[name.removeprefix("daemon/")] = name
    for name, source in SHARED.items():
        wanted[f"bookhopper-{__version__}.data/data/{name}"] = f"daemon/bookhopper/shipped/{source}"
    assert {name for name in found if ".dist-info/" not in name} == set(wanted)
    for name, source in wanted.items():
        assert found[name] == (ROOT / source).read_bytes(), name


def test_the_sdist_is_the_whole_project(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        found = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert {name for name in kept() if not (ROOT / name).is_symlink()} - {".gitignore"} <= found


def test_the_wheel_of_the_sdist_is_that_of_the_clone(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    assert contents(wheel_of(sdist, tmp_path / "made")) == contents(wheel)


# what who installs it has


@pytest.fixture(scope="session")
def prefix(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed as a system's packages are into /usr/local."""
    folder = tmp_path_factory.mktemp("prefix")
    # what is installed where the tests run from stays there
    how = ("--quiet", "--no-deps", "--no-index", "--no-warn-script-location", "--ignore-installed")
    done([*PIP, "install", *how, "--prefix", folder, wheel], folder)
    return folder


def test_bash_completes_it_without_doing_anything(prefix: Path) -> None:
    lazily = Path("/usr/share/bash-completion/bash_completion")
    if not lazily.is_file():
        pytest.skip("bash-completion is not installed")
    found = environment(XDG_DATA_DIRS=f"{prefix}/share")
    asked = f"source {lazily}; _completion_loader bookhopper; complete -p bookhopper"
    told = done([needed("bash"), "-c", f"{asked} || true"], prefix, found)
    assert "-F _bookhopper bookhopper" in told.stdout


def test_fish_completes_it_without_doing_anything(prefix: Path, tmp_path: Path) -> None:
    path = f"{prefix}/bin:{os.environ['PATH']}"
    found = environment(XDG_DATA_DIRS=f"{prefix}/share:/usr/share", HOME=str(tmp_path), PATH=path)
    asked = "complete -C 'bookhopper ' >/dev/null; functions -q __bookhopper_complete; and echo it is there"
    assert "it is there" in done([needed("fish"), "-c", asked], prefix, found).stdout


def test_zsh_completes_it_without_doing_anything(prefix: Path, tmp_path: Path) -> None:
    asked = (
        f"fpath=({prefix}/share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; "
        "print -r -- $_comps[bookhopper]"
    )
    told = done([needed("zsh"), "-f", "-c", asked], prefix, environment(HOME=str(tmp_path)))
    assert told.stdout == "_bookhopper\n"


def test_man_finds_the_page_beside_the_program(prefix: Path) -> None:
    man = needed("man")
    found = environment(PATH=f"{prefix}/bin:{os.environ['PATH']}", MANPATH="")
    assert (
        done([man, "-w", "bookhopper"], prefix, found).stdout.strip()
        == f"{prefix}/share/man/man1/bookhopper.1"
    )


@pytest.fixture(scope="session")
def pipx(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has installed the wheel with pipx, in a home folder of their own."""
    home = tmp_path_factory.mktemp("home")
    program = needed("pipx")
    path = f"{home}/.local/bin:/usr/local/bin:/usr/bin:/bin"
    variables = environment(HOME=str(home), PATH=path)
    done([program, "install", wheel], home, variables)
    return variables


def called(pipx: Mapping[str, str], *words: str) -> str:
    home = Path(pipx["HOME"])
    return done([home / ".local" / "bin" / "bookhopper", *words], home, pipx).stdout


def test_pipx_installs_a_program_that_works(pipx: dict[str, str]) -> None:
    assert called(pipx, "--version") == f"bookhopper, version {__version__}\n"
    shown = called(pipx, "demo")
    assert "✓ the daemon stopped in order" in shown
    assert "✗" not in shown


def test_its_files_come_with_it(pipx: dict[str, str]) -> None:
    home = Path(pipx["HOME"])
    assert called(pipx, "completion", "bash") == (shipped.COMPLETION / "bash" / "bookhopper").read_text(
        "utf-8"
    )
    assert called(pipx, "man") == shipped.MANUAL.read_text("utf-8")
    called(pipx, "files", "copy", "grafana", "prometheus", "bookhopper.example.yaml", "--to", "got")
    for name in (each for each in kept() if each.startswith(("config/grafana/", "config/prometheus/"))):
        assert (home / "got" / name.removeprefix("config/")).read_bytes() == (ROOT / name).read_bytes()
    listed = called(pipx, "source", "list", "--offline")
    assert re.search(r"^oapen\b", listed, re.MULTILINE)
    unit = called(pipx, "service", "install", "--user", "--dry-run")
    (program,) = re.findall(r"^ExecStart=(\S+) run", unit, re.MULTILINE)
    assert done([program, "--version"], home, pipx).stdout == f"bookhopper, version {__version__}\n"


def test_man_finds_the_page_of_the_venv(pipx: dict[str, str]) -> None:
    man = needed("man")
    venv = (Path(pipx["HOME"]) / ".local" / "bin" / "bookhopper").resolve().parents[1]
    found = done([man, "-w", "bookhopper"], venv, pipx | {"PATH": f"{venv}/bin:{pipx['PATH']}"}).stdout
    assert found.strip() == f"{venv}/share/man/man1/bookhopper.1"
