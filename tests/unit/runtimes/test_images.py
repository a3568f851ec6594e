"""The recipes for offline images, before anything is built."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from scalelab import catalog
from scalelab.errors import EnvironmentLacks
from scalelab.protocols import Service
from scalelab.runtimes import image_recipes, images

BY_NAME = {recipe.name: recipe for recipe in image_recipes.RECIPES}
VALKEY, ELASTICSEARCH = BY_NAME["valkey"], BY_NAME["elasticsearch"]


def test_every_service_has_its_offline_image() -> None:
    wanted = {n: s.image.offline for n, s in catalog.services.items() if s.image.offline}
    assert {recipe.service: recipe.tag for recipe in image_recipes.RECIPES} == wanted


def test_every_recipe_has_a_dockerfile() -> None:
    for recipe in image_recipes.RECIPES:
        text = (images.recipes_folder() / recipe.name / "Dockerfile").read_text()
        assert "FROM ${BASE}" in text
        assert "apt-get" not in text, "nothing can be installed without a network"


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"elasticsearch"}))
def test_a_recipe_knows_the_server_of_this_machine(name: str) -> None:
    recipe = BY_NAME[name]
    contents = images._contents(recipe, catalog.services[recipe.service])
    assert images._source(recipe.program, contents).read_bytes()[:4] == b"\x7fELF"


def _found_in(*folders: Path) -> Service:
    binaries = os.pathsep.join(map(str, folders))
    return cast(Service, SimpleNamespace(binaries=lambda: binaries))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="valkey-server is missing"):
        images._contents(VALKEY, _found_in(tmp_path))


def test_elasticsearch_gets_the_java_it_runs_on(tmp_path: Path) -> None:
    server, java = tmp_path / "server", tmp_path / "java"
    for folder in (server, java, server / "jdk"):
        (folder / "bin").mkdir(parents=True)
    reduced = images._contents(ELASTICSEARCH, _found_in(server / "bin", java / "bin"))
    assert reduced == {server: "usr/share/elasticsearch", java: "usr/share/elasticsearch/jdk"}
    assert images._source(ELASTICSEARCH.program, reduced) == java / "bin" / "java"
    full = images._contents(ELASTICSEARCH, _found_in(server / "bin", server / "jdk" / "bin"))
    assert full == {server: "usr/share/elasticsearch"}
    assert images._source(ELASTICSEARCH.program, full) == server / "jdk" / "bin" / "java"


def _context(recipe: image_recipes.Recipe, contents: dict[Path, str]) -> bytes:
    buffer = io.BytesIO()
    images._write_context(buffer, recipe, contents)
    return buffer.getvalue()


def test_the_context_is_readable_by_all_and_always_the_same(tmp_path: Path) -> None:
    server = tmp_path / "valkey-server"
    server.write_bytes(b"\x7fELF")
    server.chmod(0o700)
    made = _context(VALKEY, {server: "usr/local/bin/valkey-server"})
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert {"Dockerfile", "usr/local/bin/valkey-server"} <= set(tar.getnames())
        assert tar.getmember("usr/local/bin/valkey-server").mode == 0o755
    server.touch()
    assert _context(VALKEY, {server: "usr/local/bin/valkey-server"}) == made


def test_the_context_has_what_links_lead_to(tmp_path: Path) -> None:
    java, elsewhere = tmp_path / "java", tmp_path / "etc"
    (java / "lib").mkdir(parents=True)
    (java / "jmods").mkdir()
    elsewhere.mkdir()
    (elsewhere / "java.security").write_text("x")
    (java / "conf").symlink_to(elsewhere)
    (java / "lib" / "nowhere").symlink_to(tmp_path / "not installed")
    made = _context(ELASTICSEARCH, {java: "jdk"})
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        names = {name for name in tar.getnames() if name.startswith("jdk")}
        assert names == {"jdk", "jdk/lib", "jdk/conf", "jdk/conf/java.security"}
        assert tar.getmember("jdk/conf/java.security").isfile()
