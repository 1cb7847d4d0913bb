"""A namespace that is being deleted, before the resource in it is."""

from __future__ import annotations

from face_comparison_operator.api_resources import DISRUPTION_BUDGET
from support.memory_world import MemoryWorld
from support.reconcile_world import becomes, deploy


def test_terminating_namespace_is_the_reason_why_nothing_is_created(world: MemoryWorld) -> None:
    deploy(world)
    refusal = (
        'poddisruptionbudgets "faces" is forbidden: unable to create new content in namespace ns because it is being'
    )
    world.cluster.forbidden["create", DISRUPTION_BUDGET.plural] = f"{refusal} terminated"
    world.delete(DISRUPTION_BUDGET)
    becomes(world, "Terminating")
    assert world.condition()["message"] == "the namespace ns is being deleted"
    assert world.condition()["status"] == "False"


def test_other_refusals_keep_the_words_of_the_api_server(world: MemoryWorld) -> None:
    deploy(world)
    world.cluster.forbidden["create", DISRUPTION_BUDGET.plural] = "exceeded quota: no-budgets"
    world.delete(DISRUPTION_BUDGET)
    becomes(world, "ApplyFailed")
    assert world.condition()["message"].startswith("PodDisruptionBudget faces: exceeded quota: no-budgets")
