/** Where images come in: dropped, pasted, chosen, photographed, by URL, or the built-in sample. */

import { h, sign } from "./dom.js";
import { t } from "./language.js";

const SAMPLE = "explorer/sample.jpg";
const FETCHED = /^(https?|s3):\/\/\S+$/i;
const ACCEPTED = "image/*,.heic,.heif,.avif,.webp,.bmp";

/**
 * An intake. take(files): a list of {blob, name}; takeUrl(text); many: several images; sample: offer the built-in
 * one; compact: an image is there already; side: the longest side that the service takes.
 */
export function intake({ take, takeUrl, many = false, sample = false, compact = false, side }) {
  const says = h("p", { class: "small other-text", role: "alert", hidden: true });
  const complain = (text) => {
    says.textContent = text;
    says.hidden = !text;
  };
  const given = (files) => {
    const images = files.filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|bmp|webp|avif|hei[cf])$/i.test(file.name));
    const strange = files.find((file) => !images.includes(file));
    complain(strange ? t("intake.not-image", { name: strange.name }) : "");
    if (images.length) take(images.slice(0, many ? undefined : 1).map((blob) => ({ blob, name: blob.name || "image.png" })));
  };
  const zone = h(
    "div",
    { class: "drop" },
    sign("image"),
    h("p", {}, h("b", {}, t(many ? "intake.drop-many" : "intake.drop")), h("br"), h("span", { class: "faint small" }, t("intake.formats", { side }))),
    h(
      "div",
      { class: "row" },
      chooser(t(many ? (compact ? "intake.add" : "intake.choose-many") : compact ? "intake.another" : "intake.choose"), !compact, "image", { multiple: many }, given),
      // Elsewhere than on a phone or tablet this would open the same window as the other button.
      matchMedia("(pointer: coarse)").matches && chooser(t("intake.camera"), false, "camera", { capture: "environment" }, given),
      sample && !compact && h("button", { type: "button", onclick: () => sampled().then(take) }, sign("face"), t("intake.sample")),
    ),
  );
  const root = h("div", { class: `intake${compact ? " compact" : ""}` }, zone, urlForm(takeUrl, complain), says);
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("over");
  });
  root.addEventListener("dragleave", () => root.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("over");
    if (event.dataTransfer.files.length) given([...event.dataTransfer.files]);
    else if (event.dataTransfer.getData("text/uri-list")) takeUrl(event.dataTransfer.getData("text/uri-list").split("\n")[0]);
  });
  root.given = given;
  root.takeUrl = takeUrl;
  return root;
}

function chooser(text, main, drawing, attributes, given) {
  const input = h("input", {
    type: "file",
    accept: ACCEPTED,
    class: "unseen",
    ...attributes,
    onchange: (event) => {
      given([...event.target.files]);
      event.target.value = ""; // so that the same file can be chosen again
    },
  });
  return h("label", { class: `button${main ? " main" : ""}` }, sign(drawing), text, input);
}

function urlForm(takeUrl, complain) {
  const input = h("input", { type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false", placeholder: t("intake.url-example"), "aria-label": t("intake.url") });
  return h(
    "form",
    {
      class: "url",
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        const text = input.value.trim();
        if (!FETCHED.test(text)) return complain(t("intake.bad-url"));
        complain("");
        takeUrl(text);
      },
    },
    input,
    h("button", { type: "submit" }, t("intake.fetch")),
  );
}

async function sampled() {
  const response = await fetch(new URL(SAMPLE, document.baseURI));
  return [{ blob: await response.blob(), name: "sample.jpg" }];
}

/** Give an image or a URL that is pasted anywhere on the page to the intake that `current` returns. */
export function acceptPaste(current) {
  document.addEventListener("paste", (event) => {
    const target = current();
    const files = [...(event.clipboardData?.files ?? [])];
    const text = event.clipboardData?.getData("text/plain").trim() ?? "";
    if (!target || event.target instanceof HTMLInputElement) return;
    if (files.length) target.given(files);
    else if (FETCHED.test(text)) target.takeUrl(text);
    else return;
    event.preventDefault();
  });
  // An image dropped beside an intake would make the browser leave the page.
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => event.preventDefault());
  }
}
