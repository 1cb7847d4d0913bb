"""Commands that create, list, and delete collections and users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from face_comparison.cli import options
from face_comparison.cli.collection.options import DEFAULT_NAME, access_options, collection_option, rate_option
from face_comparison.cli.collection.output import json_line
from face_comparison.plurals import count_noun

if TYPE_CHECKING:
    from face_comparison.api.collections import CollectionDescription
    from face_comparison.cli.collection.access import CollectionAccess


@click.command("create")
@click.argument("name", default=DEFAULT_NAME)
@rate_option("Maximum fraction of searches for strangers that return a match. [default: 0.01]")
@options.option(
    "--retention-days",
    type=int,
    help="Delete faces this many days after their enrollment.",
)
@access_options(create=True)
def create(access: CollectionAccess, name: str, rate: float | None, retention_days: int | None) -> None:
    """Create the collection NAME."""
    _print_collection(access.create(name, rate, retention_days))


@click.command("list")
@options.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@access_options()
def list_(access: CollectionAccess, as_json: bool) -> None:
    """List the collections."""
    for each in access.collections():
        click.echo(json_line(each)) if as_json else _print_collection(each)


@click.command("users")
@collection_option
@options.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@access_options()
def users(access: CollectionAccess, name: str, as_json: bool) -> None:
    """List the users of a collection."""
    for user in access.users(name):
        click.echo(json_line(user) if as_json else f"{user.user_id}  {count_noun(user.face_count, 'face')}")


@click.command("delete")
@click.argument("name", default=DEFAULT_NAME)
@options.option(
    "--user",
    "user_id",
    metavar="USERID",
    help="Erase only this user and all of its faces, not the whole collection.",
)
@options.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@access_options()
def delete(access: CollectionAccess, name: str, user_id: str | None, yes: bool) -> None:
    """Delete the collection NAME, or one of its users, and print the receipt."""
    target = f"the collection {name} and everything in it" if user_id is None else f"{user_id} from {name}"
    if not yes:
        click.confirm(f"Erase {target}?", abort=True)
    receipt = access.delete_collection(name) if user_id is None else access.delete_user(name, user_id)
    click.echo(json_line(receipt))


def _print_collection(collection: CollectionDescription) -> None:
    click.echo(
        f"{collection.collection_id}  {count_noun(collection.face_count, 'face')} of "
        f"{count_noun(collection.user_count, 'person', 'people')}  threshold "
        f"{collection.threshold:.3f}  false positives {100 * collection.max_false_positive_rate:g} %"
        f"  {collection.face_model_version}"
    )
