"""images: container images for machines that can reach no registry."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from scalelab.cli import output


def register(app: typer.Typer) -> None:
    """Add this module's command group."""
    group = typer.Typer(no_args_is_help=True, help="Container images for use without a registry.")
    group.command()(build)
    # A second command keeps `build` a subcommand; it also shows what would be used.
    group.command("list")(list_images)
    app.add_typer(group, name="images")


def build(
    base: Annotated[
        str | None,
        typer.Option(help="An image with a C library to build on; default: Debian, or made here."),
    ] = None,
) -> None:
    """Build offline images from the servers of this machine and a Debian base."""
    from scalelab import catalog
    from scalelab.errors import EnvironmentLacks
    from scalelab.model import Budget
    from scalelab.runtimes import image_recipes, images

    for recipe in image_recipes.RECIPES:
        # No node is to run here, but its server is to be fetched. Without it, others are built.
        with contextlib.suppress(EnvironmentLacks):
            catalog.services[recipe.service].require(0, Budget(None, None), output.Fetching())
    for tag in images.build(catalog.services, base, output.note):
        output.stdout().print(tag)


def list_images() -> None:
    """Show which image each service would run from."""
    from rich.table import Table

    from scalelab import catalog
    from scalelab.cli import config
    from scalelab.runtimes import image_choice
    from scalelab.runtimes.daemon import connect

    table = Table(
        "service", "official", "offline", "named by you", "here", box=None, pad_edge=False
    )
    named = config.images()
    client = connect()
    try:
        for name, service in catalog.services.items():
            image = service.image
            here = image_choice.present(client, image, named[name])
            known = (image.default or "-", image.offline or "-", named[name] or "-")
            table.add_row(name, *known, here or "none")
    finally:
        client.close()
    output.stdout().print(table)
