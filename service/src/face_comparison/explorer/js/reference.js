/** The page Reference: this service's limits, its error codes, and its OpenAPI document, rendered by Swagger UI. */

import { fill, h } from "./dom.js";
import { meaning, size, t } from "./language.js";
import { currentKey, DOCUMENT } from "./service.js";

const FOLDER = new URL("explorer/vendor/swagger-ui/", document.baseURI);
const STYLES = [new URL("swagger-ui.css", FOLDER), new URL("explorer/css/reference.css", document.baseURI)];

export function referencePage(service, document_) {
  const root = h("div", { class: "page" });
  const rendered = h("div", { id: "api" }, h("p", { class: "empty" }, t("reference.loading")));
  let begun = false;

  function build() {
    fill(
      root,
      h("header", {}, h("h1", {}, t("reference.title")), h("p", { class: "lede" }, t("reference.lede"))),
      h(
        "div",
        { class: "halves" },
        h("section", { class: "card", "aria-labelledby": "limits-title" }, h("h2", { id: "limits-title" }, t("reference.limits")), limits(service)),
        h("section", { class: "card", "aria-labelledby": "errors-title" }, h("h2", { id: "errors-title" }, t("reference.errors")), errors(document_)),
      ),
      h(
        "section",
        { class: "card", "aria-labelledby": "api-title" },
        h("div", { class: "row apart" }, h("h2", { id: "api-title" }, t("reference.api")), h("a", { href: DOCUMENT, class: "small" }, t("reference.document"))),
        rendered,
      ),
    );
  }

  /** The renderer is much larger than this page, and is fetched only by those who look. */
  async function opened() {
    if (begun) return;
    begun = true;
    STYLES.forEach((href) => document.head.append(h("link", { rel: "stylesheet", href: href.href })));
    await new Promise((loaded, failed) => document.head.append(h("script", { src: new URL("swagger-ui-bundle.js", FOLDER).href, onload: loaded, onerror: failed })));
    rendered.replaceChildren();
    new MutationObserver(() => mend(rendered)).observe(rendered, { childList: true, subtree: true });
    globalThis.SwaggerUIBundle({ spec: { ...document_, servers: [{ url: beforeStage() }] }, domNode: rendered, plugins: [plain], layout: "Plain", requestInterceptor: withKey, docExpansion: "list", defaultModelsExpandDepth: 0, validatorUrl: null });
  }

  return { root, build, opened, intake: null };
}

/** What stands before the paths of the document: they begin with the stage, before which an ingress may put more. */
const beforeStage = () => new URL("..", document.baseURI).href.replace(/\/$/, "");

/** A request of "Try it out" with the key that was given to this page. */
function withKey(request) {
  const key = currentKey();
  if (key && request.url.startsWith(location.origin)) request.headers["x-api-key"] ??= key;
  return request;
}

/** Swagger UI's operations and schemas alone: this page has a title, a landmark for its content and limits of its own. */
function plain({ React }) {
  const layout = ({ getComponent }) => {
    const part = (name) => React.createElement(getComponent(name, true), { key: name });
    return React.createElement("div", { className: "swagger-ui" }, part("operations"), part("Models"));
  };
  return { components: { Plain: layout } };
}

/** What Swagger UI leaves undone for those who use a screen reader or the keyboard. */
function mend(rendered) {
  for (const select of rendered.querySelectorAll("select:not([aria-label], [aria-labelledby])")) select.setAttribute("aria-label", t("reference.example"));
  for (const input of rendered.querySelectorAll(":is(input, textarea):not([aria-label], [aria-labelledby], [type=hidden])")) {
    const name = input.closest("tr")?.querySelector(".parameter__name")?.firstChild?.textContent;
    input.setAttribute("aria-label", name ?? t("reference.body"));
  }
  for (const code of rendered.querySelectorAll("pre.microlight:not([tabindex])")) code.tabIndex = 0;
}

function limits({ version, FaceModelVersion, auth, formats, defaults, limits: bounds }) {
  const shown = (name, value) => {
    if (name.endsWith("_bytes")) return size(value);
    if (name.endsWith("_pixels")) return t("unit.pixels", { value });
    return name.endsWith("_seconds") ? t("unit.seconds", { value }) : String(value);
  };
  const rows = [
    ["version", version],
    ["FaceModelVersion", FaceModelVersion],
    ["auth", t(`auth.${auth}`)],
    ["formats", formats.map((format) => format.toUpperCase()).join(", ")],
    ["threshold", String(defaults.threshold)],
    ["min_confidence", String(defaults.min_confidence)],
    ...Object.entries(bounds).map(([name, value]) => [name, shown(name, value)]),
  ];
  return h("table", { class: "table" }, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, t(`limit.${name}`)), h("td", {}, value)))));
}

/** Codes and their statuses, by status. */
const codes = (document_) => Object.entries(document_["x-errors"]).sort(([code, status], [other, otherStatus]) => status - otherStatus || code.localeCompare(other));

function errors(document_) {
  const head = ["status", "code", "meaning"].map((name) => h("th", { scope: "col" }, t(`reference.${name}`)));
  const rows = codes(document_).map(([code, status]) => h("tr", {}, h("td", {}, String(status)), h("td", {}, h("code", {}, code)), h("td", {}, meaning(code) ?? "")));
  return h("table", { class: "table cards" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
}
