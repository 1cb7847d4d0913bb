/** Questions that need an answer before anything goes on. */

import { h } from "./dom.js";
import { t } from "./language.js";
import { hasKey, useKey } from "./service.js";

let open = null;

/** Show a modal dialog; resolves with the value of the button that closed it, "" for Escape. submitted(event): before it closes. */
export function ask(title, content, buttons, submitted = () => {}) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const form = h("form", { method: "dialog", onsubmit: submitted }, heading, content, h("div", { class: "row" }, buttons));
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  open = dialog;
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      open = null;
      resolve(dialog.returnValue);
    }),
  );
}

export const choice = (value, text, main = false) => h("button", { value, class: main ? "main" : "", type: "submit" }, text);

/** Ask before something that cannot be undone. Returns whether the visitor agreed. */
export async function confirmed(title, text, yes) {
  return (await ask(title, [h("p", {}, text)], [choice("no", t("cancel")), choice("yes", yes, true)])) === "yes";
}

/** Ask for an API key and keep it in memory; the dialog stays open while the service does not know the key. */
export async function askKey() {
  if (open) return;
  const input = h("input", { type: "password", id: "api-key", autocomplete: "off", spellcheck: "false" });
  const wrong = h("p", { class: "small other-text", role: "alert", hidden: true }, t("error.forbidden"));
  const content = [h("p", { class: "faint" }, t("key.text")), h("label", { for: "api-key", class: "unseen" }, t("key.label")), input, wrong];
  const use = choice("yes", t("key.use"), true);
  const buttons = [choice("no", t("cancel")), hasKey() && choice("forget", t("key.forget")), use].filter(Boolean);
  const submitted = async (event) => {
    if (event.submitter?.value !== "yes") return;
    event.preventDefault();
    if (!input.value.trim()) return input.focus();
    use.disabled = true;
    const found = await useKey(input.value);
    use.disabled = false;
    wrong.hidden = found !== "unknown";
    if (wrong.hidden) open?.close("yes");
    else input.select();
  };
  // Enter takes the first button of a form.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    use.click();
  });
  const asking = ask(t("key.title"), content, buttons, submitted);
  input.focus();
  if ((await asking) === "forget") await useKey("");
}
