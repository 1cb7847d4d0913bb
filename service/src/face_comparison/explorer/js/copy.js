/** A button that copies text. */

import { announce, fill, h, sign } from "./dom.js";
import { t } from "./language.js";

/** text: a function, called when the button is pressed. */
export function copyButton(text, label, words = t("exchange.copy")) {
  const button = h("button", { type: "button", class: "small", "aria-label": label }, sign("copy"), words);
  button.addEventListener("click", async () => {
    await copied(text());
    fill(button, sign("done"), t("exchange.copied"));
    announce(t("exchange.copied"));
    setTimeout(() => fill(button, sign("copy"), words), 1600);
  });
  return button;
}

async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS a browser offers no clipboard, except to a selection.
  const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  return undefined;
}
