"""An answer that arrives late changes only the state that it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from PIL import Image
from playwright.sync_api import Page, Route, expect

from devtools.explorer import Explorer, Service

Photographs = dict[str, Path]


class Held:
    """Requests that wait until they are released."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._waiting: list[Route] = []
        self._is_open = False
        page.route(url, self._arrive)

    def _arrive(self, route: Route) -> None:
        if self._is_open:
            route.continue_()
        else:
            self._waiting.append(route)

    def wait(self) -> None:
        """Waits until a request is held."""
        while not self._waiting:
            self._page.evaluate("new Promise(requestAnimationFrame)")

    def release(self) -> None:
        """Lets them and all later ones go, and waits until the page has the answers that it still wants."""
        self._is_open = True
        for route in self._waiting:
            route.continue_()
            if route.request.failure is None and (response := route.request.response()):
                response.finished()
        self._page.evaluate("new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))")


Hold = Callable[[str], Held]


@pytest.fixture
def hold(explorer: Explorer) -> Hold:
    """Returns a function that holds the requests to a path below the endpoint."""
    return lambda path: Held(explorer.page, f"**/face_comparison{path}")


def test_late_comparison_does_not_change_chosen_entry(explorer: Explorer, photographs: Photographs, hold: Hold) -> None:
    page = explorer.page
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    page.get_by_role("button", name="Remove obama2.jpg").click()
    explorer.choose(photographs["biden.jpg"], intake=1)
    earlier = page.locator(".earlier .thumb")
    expect(earlier).to_have_count(2)
    held = hold("/compare")
    page.get_by_role("button", name="Remove biden.jpg").click()
    explorer.choose(photographs["obama3.jpg"], intake=1)
    held.wait()
    earlier.first.click()
    expect(page.locator(".verdict")).to_contain_text("Different people")
    held.release()
    expect(page.locator(".verdict")).to_contain_text("Different people")
    expect(page.locator(".pair figcaption")).to_have_text(["obama.jpg", "biden.jpg"])
    expect(earlier).to_have_count(2)


def test_late_comparison_without_its_target_is_dropped(
    explorer: Explorer, photographs: Photographs, hold: Hold
) -> None:
    page = explorer.page
    held = hold("/compare")
    explorer.go("compare")
    explorer.choose(photographs["obama.jpg"])
    explorer.choose(photographs["biden.jpg"], intake=1)
    held.wait()
    page.get_by_role("button", name="Remove biden.jpg").click()
    held.release()
    expect(page.locator(".page .empty")).to_have_count(0)
    explorer.choose(photographs["obama2.jpg"], intake=1)
    expect(page.locator(".verdict")).to_contain_text("Same person")
    expect(page.locator(".earlier")).to_have_count(0)


def test_late_faces_of_a_removed_source_are_not_offered(
    explorer: Explorer, photographs: Photographs, hold: Hold
) -> None:
    page = explorer.page
    explorer.go("compare")
    explorer.choose(photographs["table.jpg"])
    held = hold("")
    page.get_by_role("button", name="Choose another face").click()
    held.wait()
    page.get_by_role("button", name="Remove table.jpg").click()
    held.release()
    expect(page.locator(".item")).to_have_count(0)
    expect(page.locator(".shot")).to_have_count(0)


def store(service: Service, collection: str, *people: str, image: Path | None = None) -> None:
    """Makes a collection with these people, each with the image if there is one."""
    base = f"{service.endpoint}/collections"
    urllib3.request("POST", base, json={"CollectionId": collection})
    for person in people:
        urllib3.request("POST", f"{base}/{collection}/users", json={"UserId": person})
        if image:
            body, headers = image.read_bytes(), {"Content-Type": "image/jpeg"}
            urllib3.request("POST", f"{base}/{collection}/faces?UserId={person}", body=body, headers=headers)


def use_collection(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Collection", exact=True).select_option(name)


def test_late_names_do_not_change_a_newer_search(
    explorer: Explorer, service: Service, photographs: Photographs, hold: Hold
) -> None:
    store(service, "late-names", "barack", image=photographs["obama.jpg"])
    explorer.go("people")
    use_collection(explorer.page, "late-names")
    held = hold("/collections/late-names/users/barack")
    explorer.choose(photographs["obama2.jpg"])
    held.wait()
    explorer.choose(photographs["table.jpg"])
    decisions = explorer.page.locator(".decision")
    expect(decisions).to_have_count(6)
    held.release()
    expect(decisions).to_have_count(6)


def test_images_go_to_the_collection_that_they_were_added_to(
    explorer: Explorer, service: Service, photographs: Photographs, hold: Hold
) -> None:
    store(service, "added-to")
    store(service, "chosen-later")
    page = explorer.page
    explorer.go("people")
    use_collection(page, "added-to")
    page.get_by_label("Name", exact=True).fill("Barack")
    explorer.choose(photographs["obama.jpg"], photographs["obama3.jpg"], intake=1)
    expect(page.locator("form .item")).to_have_count(2)
    held = hold("/collections/*/faces*")
    page.get_by_role("button", name="Add Barack").click()
    held.wait()
    use_collection(page, "chosen-later")
    with page.expect_request(lambda request: "/faces" in request.url and request.method == "POST") as second:
        held.release()
    assert "/collections/added-to/faces" in second.value.url


def test_id_photo_is_examined_although_the_camera_was_begun_anew(
    explorer: Explorer, photographs: Photographs, tmp_path: Path, hold: Hold
) -> None:
    Image.new("RGB", (320, 240), "gray").save(tmp_path / "empty.png")
    explorer.go("desk")
    held = hold("")
    explorer.choose(tmp_path / "empty.png")
    held.wait()
    explorer.page.get_by_label("Ask the person to turn the head").check()
    held.release()
    expect(explorer.page.locator(".desk .notice")).to_contain_text("No face")


def test_people_of_another_collection_cannot_be_expected(explorer: Explorer, service: Service, hold: Hold) -> None:
    store(service, "guests-a", "anna")
    store(service, "guests-b", "bert")
    page = explorer.page
    explorer.go("desk")
    page.get_by_label("Person in a collection").check()
    person = page.get_by_label("Who is expected")
    page.get_by_label("Collection", exact=True).select_option("guests-a")
    person.select_option("anna")
    held = hold("/collections/guests-b/users*")
    page.get_by_label("Collection", exact=True).select_option("guests-b")
    held.wait()
    expect(person.locator("option")).to_have_count(1)
    held.release()
    expect(person.locator("option").last).to_have_text("bert")


def test_photo_that_opens_late_does_not_replace_another_choice(explorer: Explorer, photographs: Photographs) -> None:
    page = explorer.page
    explorer.go("desk")
    page.evaluate("""() => {
        const { decode } = Image.prototype;
        globalThis.opening = new Promise((begun) => {
            Image.prototype.decode = async function () {
                await new Promise((opened) => begun({ go: opened }));
                return decode.call(this);
            };
        });
    }""")
    explorer.choose(photographs["obama.jpg"])
    page.evaluate("opening.then(() => null)")
    page.get_by_label("Person in a collection").check()
    page.evaluate("opening.then(({ go }) => go())")
    page.evaluate("new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))")
    expect(page.locator(".desk .item")).to_have_count(0)
