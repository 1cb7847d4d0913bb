/** Which collection is used, what it holds, and making or deleting one. */

import { announce, fill, h, sign } from "../dom.js";
import { confirmed } from "../dialogs.js";
import { number, t } from "../language.js";
import { problem } from "../problem.js";
import { call, mayDo } from "../service.js";

const NAME = "[A-Za-z0-9_.\\-]{1,255}";

/** context: see people.js. */
export function collectionPanel({ current, select, load, state, erased }) {
  const line = h("div", { class: "row apart" });
  const trouble = h("div");
  const root = h("section", { class: "card stack", "aria-labelledby": "collection-title" }, h("h2", { id: "collection-title" }, t("collection.title")), line, mayDo("admin") && creation(), trouble);

  function show() {
    const ids = state.collections.map(({ CollectionId: id }) => id);
    const choice = h("select", { "aria-label": t("collection.title"), onchange: (event) => select(event.target.value) }, ids.map((id) => h("option", { value: id }, id)));
    choice.value = state.current;
    const info = current();
    fill(
      line,
      ids.length ? choice : h("p", {}, t(mayDo("admin") ? "collection.none" : "collection.none-yet")),
      info && h("p", { class: "faint" }, t("collection.counts", { people: number(info.UserCount, 0), faces: number(info.FaceCount, 0) })),
      info && mayDo("admin") && h("button", { type: "button", class: "small", onclick: () => remove(info) }, sign("no"), t("collection.delete")),
    );
  }

  function creation() {
    const input = h("input", { type: "text", id: "new-collection", required: true, pattern: NAME, autocomplete: "off", spellcheck: "false" });
    const days = h("input", { type: "number", id: "retention", min: "1", max: "36500", placeholder: t("collection.forever") });
    const submitted = async (event) => {
      event.preventDefault();
      fill(trouble);
      try {
        await call("POST", [], { json: { CollectionId: input.value, ...(days.value ? { RetentionDays: Number(days.value) } : {}) } });
      } catch (error) {
        fill(trouble, problem(error, null, input.value));
        return;
      }
      announce(t("collection.created", { name: input.value }));
      state.current = input.value;
      await load();
      select(state.current);
    };
    return h(
      "details",
      { class: "fold", open: !state.collections.length },
      h("summary", {}, t("collection.new")),
      h(
        "form",
        { class: "row form", onsubmit: submitted },
        h("div", { class: "field" }, h("label", { for: "new-collection" }, t("collection.name")), input, h("span", { class: "small" }, t("collection.name-help"))),
        h("div", { class: "field" }, h("label", { for: "retention" }, t("collection.retention")), days, h("span", { class: "small" }, t("collection.retention-help"))),
        h("button", { type: "submit", class: "main" }, t("collection.create")),
      ),
    );
  }

  async function remove({ CollectionId: id, UserCount: people }) {
    if (!(await confirmed(t("collection.delete-title", { name: id }), t("collection.delete-text", { people: number(people, 0) }), t("collection.delete")))) return;
    try {
      const receipt = await call("DELETE", [id]);
      state.current = "";
      await load();
      select(state.current);
      erased(id, receipt);
    } catch (error) {
      fill(trouble, problem(error, null, id));
    }
  }

  return { root, show };
}
