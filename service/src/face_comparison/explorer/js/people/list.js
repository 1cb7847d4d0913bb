/** The people of a collection: pages, a filter, and erasing. */

import { fill, h, sign } from "../dom.js";
import { confirmed } from "../dialogs.js";
import { moment, number, t } from "../language.js";
import { problem } from "../problem.js";
import { call, mayDo } from "../service.js";
import { personName } from "./person.js";

export const PAGE = 25;
const REQUESTED = 1000;

/** The people that a filter leaves. Pure. */
export function filtered(people, text) {
  const words = text.trim().toLowerCase();
  return words ? people.filter((person) => personName(person).toLowerCase().includes(words) || person.UserId.toLowerCase().includes(words)) : people;
}

/** context: see people.js; addTo(person): begin to add images. */
export function listPanel({ collection, changed, erased }, addTo) {
  const state = { people: [], token: "", page: 0, filter: "", reading: false, error: null, generation: 0 };
  const filter = h("input", { type: "text", id: "people-filter", autocomplete: "off", oninput: () => { Object.assign(state, { filter: filter.value, page: 0 }); show(); } });
  const rows = h("div");
  const pages = h("div", { class: "row" });
  const root = h("section", { class: "card stack", "aria-labelledby": "people-title" }, h("div", { class: "row apart" }, h("h2", { id: "people-title", tabindex: "-1" }, t("people.list")), h("div", { class: "row" }, h("label", { for: "people-filter", class: "small faint" }, t("people.filter")), filter)), rows, pages);

  async function reload() {
    Object.assign(state, { people: [], token: "", reading: false, error: null, generation: state.generation + 1 });
    await show();
  }

  /** Read further pages of the service until there is enough to show; a filter needs all of them. */
  async function read() {
    const { generation } = state;
    const enough = () => state.token === null || (!state.filter && state.people.length >= (state.page + 1) * PAGE);
    if (state.reading || enough()) return;
    state.reading = true;
    try {
      while (!enough()) {
        const reply = await call("GET", [collection, "users"], { query: { MaxResults: REQUESTED, NextToken: state.token } });
        if (generation !== state.generation) return;
        state.people.push(...reply.Users);
        state.token = reply.NextToken ?? null;
      }
    } catch (error) {
      if (generation !== state.generation) return;
      Object.assign(state, { error, token: null });
    }
    state.reading = false;
  }

  async function show() {
    const { generation } = state;
    draw();
    await read();
    if (generation === state.generation) draw();
  }

  function draw() {
    const found = filtered(state.people, state.filter);
    const count = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(state.page, count - 1);
    const shown = found.slice(state.page * PAGE, (state.page + 1) * PAGE);
    fill(
      rows,
      state.error && problem(state.error, reload),
      !state.error && !shown.length && h("p", { class: "empty", role: "status" }, t(state.token === "" || state.reading ? "people.loading" : state.filter ? "people.none-found" : "people.none")),
      shown.length > 0 && table(shown),
    );
    const last = state.page >= count - 1;
    fill(
      pages,
      (state.page > 0 || !last || state.token) && [
        h("button", { type: "button", class: "small", disabled: state.page === 0, onclick: () => turn(-1) }, t("people.previous")),
        h("button", { type: "button", class: "small", disabled: last && state.token === null, onclick: () => turn(1) }, t("people.next")),
        h("span", { class: "small faint", role: "status" }, t("people.page", { from: number(found.length ? state.page * PAGE + 1 : 0, 0), to: number(state.page * PAGE + shown.length, 0), count: `${number(found.length, 0)}${state.token === null ? "" : "+"}` })),
      ],
    );
  }

  function turn(step) {
    state.page += step;
    show();
  }

  function table(shown) {
    const head = ["name", "id", "images", "since", "until"].map((name) => h("th", { scope: "col" }, t(`people.${name}`)));
    return h("div", { class: "wide" }, h("table", { class: "table people-table" }, h("thead", {}, h("tr", {}, head, h("th", {}, h("span", { class: "unseen" }, t("people.actions"))))), h("tbody", {}, shown.map(row))));
  }

  function row(person) {
    const name = personName(person);
    const action = (words, drawing, act) => h("button", { type: "button", class: "small", "aria-label": `${t(words)}: ${name}`, onclick: act }, sign(drawing), t(words));
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      h("td", { class: "mono" }, person.UserId),
      h("td", { "data-label": t("people.images") }, person.FaceCount ? number(person.FaceCount, 0) : h("span", { class: "warn-text" }, t("people.no-images"))),
      h("td", {}, moment(person.CreationTimestamp)),
      h("td", {}, person.Expires ? moment(person.Expires) : ""),
      h("td", { class: "row" }, mayDo("enroll") && action("people.add-images", "image", () => addTo(person)), mayDo("erase") && action("people.erase", "no", () => erase(person, name))),
    );
  }

  async function erase(person, name) {
    if (!(await confirmed(t("people.erase-title", { name }), t("people.erase-text", { count: number(person.FaceCount, 0) }), t("people.erase")))) return;
    try {
      const receipt = await call("DELETE", [collection, "users", person.UserId]);
      erased(name, receipt);
      await changed();
    } catch (error) {
      state.error = error;
      draw();
    }
  }

  return { root, reload };
}
