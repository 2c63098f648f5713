"""`bookhopper source`: what there is, what a source does, and whether a definition still reads its pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from bookhopper.cli import main
from tests import books
from tests.fakes.library_site import LOGIN, PASSWORD, LibrarySite, library_site, page


@pytest.fixture
def site() -> Iterator[LibrarySite]:
    with library_site(("Emma", "Jane Austen"), ("Moby Dick", "Herman Melville")) as site:
        yield site


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def configured(folder: Path, *sources: dict[str, Any]) -> Path:
    path = folder / "bookhopper.yaml"
    path.write_text(yaml.safe_dump({"sources": list(sources)}))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["source", *map(str, arguments)])


def test_list_shows_what_is_used_and_what_could_be(folder: Path, site: LibrarySite) -> None:
    site.write(folder / "sources.d" / "library.yaml")
    (folder / "sources.d" / "broken.yaml").write_text("id: [")
    section = {"kind": "html", "name": "mine", "definition": "library", "hosts": [site.url[7:]]}
    config = configured(folder, section)
    found = run("list", "--config", config, "--json")
    assert found.exit_code == 0, found.output
    rows = {row["name"]: row for row in json.loads(found.output)["sources"]}
    assert set(rows) == {"mine", "broken", "oapen", "standard-ebooks-pages"}
    assert rows["mine"] == {
        "name": "mine", "kind": "html", "language": "en", "formats": ["epub"], "configured": True,
        "health": f"The Library, searched at {site.url}/",
    }  # fmt: skip
    assert not rows["oapen"]["configured"]
    assert rows["broken"]["health"].startswith(f"fault: {folder}/sources.d/broken.yaml:2:1: ")
    shown = run("list", "--config", config, "--offline")
    assert "not asked" in shown.output
    assert "oapen" in shown.output


def test_show_says_what_a_source_does_and_no_secret(folder: Path, site: LibrarySite) -> None:
    site.write(folder / "sources.d" / "library.yaml", login=LOGIN, settings=PASSWORD)
    config = configured(
        folder,
        {"kind": "html", "name": "mine", "definition": "library", "settings": {"password": "hush"}},
        {"kind": "opds", "name": "home", "url": "http://x.example/", "username": "u", "password": "hush"},
    )
    shown = run("show", "--config", config, "mine")
    assert shown.exit_code == 0
    assert (
        f"does: signs in (form), asks {site.url}/ at find and reads the html that comes; of a book"
        in shown.output
    )
    assert "settings:\n  password: ••••\n" in shown.output
    other = run("show", "--config", config, "home", "--json")
    assert json.loads(other.output)["settings"]["password"] == "••••"
    assert "hush" not in shown.output + other.output
    plain = run("show", "--config", config, "home").output
    assert "\nsettings:\n" in plain
    assert "\n  url: http://x.example/\n  username: u\n  password: ••••\n" in plain
    assert not {"None", "=", "hush"} & {*plain.replace(": ", " ").split(), *(c for c in plain if c == "=")}
    assert "Peer-reviewed" in run("show", "--config", config, "oapen").output
    unknown = run("show", "--config", config, "nope")
    assert unknown.exit_code == 2
    assert "no definition is called nope" in unknown.output


def test_test_runs_the_saved_pages(folder: Path, site: LibrarySite) -> None:
    fixture = {"page": "page.html", "rows": [{"title": "Emma"}]}
    path = site.write(folder / "library.yaml", fixtures=[fixture])
    (folder / "page.html").write_text(f"<table>{site.row(0)}</table>")
    good = run("test", path)
    assert (good.exit_code, good.output) == (0, f"{path}: all is well, 1 saved page read as it should\n")
    (folder / "page.html").write_text(f"<table>{site.row(1)}</table>")
    bad = run("test", path, "--json")
    assert bad.exit_code == 1
    assert json.loads(bad.output)["faults"] == ["page.html: row 1: title is 'Moby Dick' instead of 'Emma'"]
    path.write_text("id: x\nnmae: y\n")
    broken = run("test", path)
    assert broken.exit_code == 2
    assert f"{path}:2:1: unknown key `nmae`: did you mean `name`?" in broken.output
    assert json.loads(run("test", path, "--json").output)["ok"] is False


def test_test_asks_the_site_itself(folder: Path, site: LibrarySite) -> None:
    path = site.write(folder / "library.yaml")
    own = ("--host", site.url.removeprefix("http://"))
    live = run("test", path, *own, "--live", "Moby Dick")
    assert live.exit_code == 0, live.output
    assert "Moby Dick — Herman Melville, epub, /book/1" in live.output
    assert "all is well, and there are no saved pages to read (`fixtures`); 1 book found at" in live.output
    found = json.loads(run("test", path, *own, "--live", "Moby Dick", "--json").output)["found"]
    assert found[0]["urls"] == [f"{site.url}/files/gone-1.epub", f"{site.url}/files/1.epub"]
    site.answers["/find"] = lambda _: page("it fails", 500)
    failed = run("test", path, *own, "--live", "Emma")
    assert failed.exit_code == 1
    assert "the server failed (500)" in failed.output


def test_test_visits_one_s_own_network_only_where_one_says_so(folder: Path, site: LibrarySite) -> None:
    path = site.write(folder / "library.yaml")
    refused = run("test", path, "--live", "Moby Dick")
    assert refused.exit_code == 1
    assert "leads into the private network" in refused.output
    assert "under its `hosts`" in refused.output
    assert site.requests == []
    other = site.url.replace("127.0.0.1", "localhost")
    site.answers["/find"] = lambda _: page(
        f"<table>{site.row(1).replace('/book/1', f'{other}/book/1')}</table>"
    )
    source = {"kind": "html", "definition": str(path), "hosts": [site.url.removeprefix("http://")]}
    config = configured(folder, source)
    inside = run("test", path, "--config", config, "--live", "Moby Dick")
    assert inside.exit_code == 1, "another private address, found in a page"
    assert "localhost" in inside.output
    assert [each.partition("?")[0] for each in site.requests] == ["/find"]
    told = run("test", path, "--config", config, "--host", "localhost/x", "--live", "Moby Dick")
    assert (told.exit_code, "`localhost/x` is no host: write one such as nas" in told.output) == (2, True)


@pytest.mark.parametrize("name", ["oapen", "standard-ebooks-pages"])
def test_the_examples_pass(folder: Path, name: str) -> None:
    assert run("test", name).exit_code == 0


def test_a_source_without_a_definition_is_asked_itself(folder: Path) -> None:
    shelf = folder / "shelf"
    shelf.mkdir()
    (shelf / "Emma - Jane Austen.epub").write_bytes(books.epub("Emma", "Jane Austen"))
    config = configured(folder, {"kind": "folder", "name": "home", "path": str(shelf)})
    well = run("test", "--config", config, "home", "--live", "Emma")
    assert well.exit_code == 0, well.output
    assert "Emma — Jane Austen, epub" in well.output
    assert "home (folder) has no definition to test, and is well: 1 book in" in well.output
    assert json.loads(run("test", "--config", config, "home", "--json").output)["ok"] is True
    (shelf / "Emma - Jane Austen.epub").unlink()
    shelf.rmdir()
    away = run("test", "--config", config, "home")
    assert (away.exit_code, "home (folder): " in away.output) == (1, True)


def test_rows_that_could_not_be_read_are_told(folder: Path, site: LibrarySite) -> None:
    path = site.write(folder / "library.yaml")
    site.answers["/find"] = lambda _: page(
        f"<table>{site.row(1)}{site.row(0).replace('href', 'name')}</table>"
    )
    own = ("--host", site.url.removeprefix("http://"))
    assert "1 row of the site could not be read" in run("test", path, *own, "--live", "Moby Dick").output
