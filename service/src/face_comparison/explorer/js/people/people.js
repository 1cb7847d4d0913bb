/** The page People: who is this, and who is stored. Loaded when it is opened. */

import { announce, fill, h, sign } from "../dom.js";
import { t } from "../language.js";
import { problem } from "../problem.js";
import { call, mayDo } from "../service.js";
import { collectionPanel } from "./collection.js";
import { enrollPanel } from "./enroll.js";
import { listPanel } from "./list.js";
import { personName } from "./person.js";
import { receiptCard } from "./receipt.js";
import { searchPanel } from "./search.js";

const PERMISSIONS = ["search", "enroll", "erase", "admin"];

export function peoplePage(service) {
  const root = h("div", { class: "page people" });
  const state = { collections: null, current: "", receipts: [], error: null };
  let panels = null;
  let receipts;

  /** Names of people by id, as they are needed. */
  const names = new Map();
  async function nameOf(userId) {
    if (!names.has(userId)) names.set(userId, call("GET", [state.current, "users", userId]).then(personName, () => userId));
    return names.get(userId);
  }

  const current = () => state.collections?.find(({ CollectionId: id }) => id === state.current) ?? null;

  async function load() {
    if (!mayDo(...PERMISSIONS)) return show();
    try {
      const found = [];
      for (let token = ""; token !== null; ) {
        const page = await call("GET", [], { query: { MaxResults: 1000, NextToken: token } });
        found.push(...page.Collections);
        token = page.NextToken ?? null;
      }
      Object.assign(state, { collections: found, error: null });
      if (!current()) state.current = found[0]?.CollectionId ?? "";
    } catch (error) {
      Object.assign(state, { collections: null, error });
    }
    return show();
  }

  function select(id) {
    state.current = id;
    names.clear();
    panels = null;
    show();
  }

  /** After something was stored or erased: counts, and what is listed. */
  async function changed() {
    names.clear();
    try {
      const info = await call("GET", [state.current]);
      state.collections = state.collections.map((each) => (each.CollectionId === info.CollectionId ? info : each));
    } catch {
      return; // the counts stay what they were
    }
    panels?.collection.show();
    panels?.list?.reload();
  }

  function erased(name, reply) {
    state.receipts.unshift({ name, reply });
    announce(t("people.erased", { name }));
    showReceipts();
    receipts.querySelector("h2")?.focus();
  }

  const showReceipts = () => fill(receipts, state.receipts.map((receipt) => receiptCard(receipt)));

  function build() {
    panels = null;
    receipts = h("div", { class: "stack" });
    show();
  }

  const frame = (...content) => fill(root, h("header", {}, h("h1", {}, t("people.title")), h("p", { class: "lede" }, t("people.lede"))), ...content);

  function show() {
    page.intake = null;
    if (!service.endpoints.collections) return frame(disabled());
    if (state.error) return frame(problem(state.error, load));
    if (!mayDo(...PERMISSIONS)) return frame(h("div", { class: "notice info" }, sign("key"), h("p", {}, t("people.no-permission"))));
    if (!state.collections) return frame(h("p", { class: "card empty" }, t("people.loading")));
    const context = { service, collection: state.current, current, nameOf, changed, select, erased, load, state };
    panels ??= make(context);
    page.intake = panels.search?.intake ?? panels.enroll?.intake ?? null;
    frame(
      panels.collection.root,
      state.current && h("div", { class: "halves" }, panels.search?.root, panels.enroll?.root),
      receipts,
      state.current && panels.list?.root,
      missing(),
    );
    panels.collection.show();
    showReceipts();
    return undefined;
  }

  function make(context) {
    const made = { collection: collectionPanel(context) };
    if (!state.current) return made;
    if (mayDo("search")) made.search = searchPanel(context);
    if (mayDo("enroll")) made.enroll = enrollPanel(context);
    made.list = listPanel(context, (person) => made.enroll?.addTo(person));
    made.list.reload();
    return made;
  }

  /** What the API key may not do, for those who look for it. */
  function missing() {
    const lacking = PERMISSIONS.filter((permission) => !mayDo(permission));
    return lacking.length > 0 && h("p", { class: "small faint" }, t("people.not-permitted", { actions: lacking.map((permission) => t(`permission.${permission}`)).join(", "), permissions: lacking.join(", ") }));
  }

  document.addEventListener("key", () => {
    Object.assign(state, { collections: null, error: null, receipts: [] });
    panels = null;
    if (root.isConnected) load();
  });

  const opened = () => service.endpoints.collections && !state.collections && load();
  const page = { root, build, opened, intake: null };
  return page;
}

const disabled = () =>
  h(
    "section",
    { class: "card stack", "aria-labelledby": "disabled-title" },
    h("h2", { id: "disabled-title" }, t("people.disabled")),
    h("p", {}, t("people.disabled-text")),
    h("ul", { class: "ways" }, [["people.way-command", "face-comparison serve --collections sqlite:/var/lib/faces"], ["people.way-environment", "FACE_COMPARISON_COLLECTIONS=sqlite:/var/lib/faces"], ["people.way-resource", "spec:\n  collections:\n    embedded:\n      volumeClaim: faces"]].map(([words, code]) => h("li", {}, h("p", {}, t(words)), h("pre", { class: "code", tabindex: "0", "aria-label": t(words) }, code)))),
  );
