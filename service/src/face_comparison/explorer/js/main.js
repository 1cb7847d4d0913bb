/** Starts the page: language, colors, what the service says of itself, and which page is shown. */

import { comparePage } from "./compare.js";
import { detectPage } from "./detect.js";
import { askKey } from "./dialogs.js";
import { fill, h, sign } from "./dom.js";
import { acceptPaste } from "./intake.js";
import { current, preferred, speak, t } from "./language.js";
import { problem } from "./problem.js";
import { referencePage } from "./reference.js";
import { hasKey, openapi } from "./service.js";

const THEMES = ["auto", "light", "dark"];
const SIGNS = { auto: "half", light: "sun", dark: "moon" };

const main = document.getElementById("content");
const [stateLine, keyButton, languageButton, themeButton, about] = ["state", "key", "language", "theme", "about"].map((id) => document.getElementById(id));
let pages = null;
let service = null;
let theme = THEMES.includes(asked("theme")) ? asked("theme") : "auto";

function asked(name) {
  return new URLSearchParams(location.search).get(name);
}

/** Choices stand in the address, so that a reload or a bookmark keeps them although nothing is stored. */
function remember(name, value) {
  const address = new URL(location.href);
  address.searchParams.set(name, value);
  history.replaceState(null, "", address);
}

function paint() {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  fill(themeButton, sign(SIGNS[theme]));
  themeButton.setAttribute("aria-label", t(`theme.${theme}`));
  themeButton.title = t(`theme.${theme}`);
}

function showState(name, text = t(`state.${name}`)) {
  stateLine.dataset.state = name;
  fill(stateLine, h("span", {}, text));
}

function showTools() {
  fill(languageButton, t("other-language"));
  languageButton.setAttribute("aria-label", t("other-language-label"));
  languageButton.lang = current() === "en" ? "zh-CN" : "en";
  paint();
  if (!service) return;
  keyButton.hidden = service.auth === "none";
  fill(keyButton, sign("key"), t(hasKey() ? "key.set" : "key.button"));
  if (keyButton.hidden || hasKey()) showState("ready");
  else showState("waiting", t("state.key"));
  about.textContent = t("about", { model: service.FaceModelVersion, version: service.version });
}

const FIRST = asked("kiosk") === null ? "detect" : "desk";
const shownName = () => (pages && location.hash.slice(1) in pages ? location.hash.slice(1) : FIRST);
let shown = null;

/** A page that is loaded when it is first opened: most visitors of the others never need it. */
function later(load) {
  const page = { root: document.createElement("div"), build() {}, loading: null };
  page.opened = async () => {
    page.loading ??= load().then((loaded) => {
      loaded.build();
      Object.assign(page, { build: loaded.build, closed: loaded.closed, reopened: loaded.opened });
      Object.defineProperty(page, "intake", { get: () => loaded.intake });
      page.root.append(loaded.root);
    });
    await page.loading;
    if (shown === page) page.reopened?.();
  };
  return page;
}

function showPage() {
  const name = shownName();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!pages) return;
  if (shown !== pages[name]) shown?.closed?.();
  shown = pages[name];
  fill(main, shown.root);
  shown.opened?.();
}

/** Ask the service about itself, again and again while it loads its models. */
async function begin() {
  let document_;
  try {
    document_ = await openapi();
  } catch (error) {
    const loading = error.code === "not_ready";
    showState(loading ? "waiting" : "failed");
    fill(main, problem(error, begin));
    if (loading) setTimeout(begin, 1000 * (error.retryAfter || 1));
    return;
  }
  service = document_["x-service"];
  const compare = comparePage(service);
  const compareWith = (subject) => {
    location.hash = "compare";
    compare.setSource(subject);
  };
  const desk = later(async () => (await import("./checkin/desk.js")).deskPage(service));
  pages = { detect: detectPage(service, compareWith), compare, desk, reference: referencePage(service, document_) };
  Object.values(pages).forEach((page) => page.build());
  showTools();
  showPage();
  if (service.auth !== "none" && !hasKey()) askKey();
}

document.addEventListener("language", () => {
  showTools();
  if (pages) Object.values(pages).forEach((page) => page.build());
});
document.addEventListener("key", showTools);
keyButton.addEventListener("click", askKey);
languageButton.addEventListener("click", () => {
  const next = current() === "en" ? "zh" : "en";
  remember("lang", next);
  speak(next);
});
themeButton.addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  remember("theme", theme);
  paint();
});
// Not by its address: that would be the address of no page.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => {
  showPage();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
acceptPaste(() => pages?.[shownName()].intake);

if (asked("kiosk") !== null) document.documentElement.dataset.kiosk = "";
await speak(preferred());
showState("waiting");
showPage();
await begin();
