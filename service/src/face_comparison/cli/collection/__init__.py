"""`face-comparison collection`: works with the collections of a store or a service."""

from __future__ import annotations

import click

from face_comparison.cli.collection import enroll, manage, search, transfer
from face_comparison.cli.groups import Group


@click.group("collection", cls=Group)
def command() -> None:
    """Enroll people and identify faces, in a store (--collections) or through a service (--service)."""


for _each in (
    manage.create,
    manage.list_,
    manage.users,
    enroll.enroll,
    search.search,
    manage.delete,
    transfer.export,
    transfer.import_,
):
    command.add_command(_each)
