/** Starts the page: language, colors, what the service says of itself, and which page is shown. */

import { comparePage } from "./compare.js";
import { detectPage } from "./detect.js";
import { askKey } from "./dialogs.js";
import { fill, h, sign } from "./dom.js";
import { acceptTransfers } from "./intake.js";
import { current, preferred, speak, t } from "./language.js";
import { problem } from "./problem.js";
import { referencePage } from "./reference.js";
import { hasKey, isKeyUnknown, openapi, probe } from "./service.js";

const THEMES = ["auto", "light", "dark"];
const SIGNS = { auto: "half", light: "sun", dark: "moon" };
const AGAIN_MILLISECONDS = 2_000; // while the service does not answer
const FRESH_MILLISECONDS = 15_000; // as long as an answer is taken to hold
const PRESENCE = ["pointerdown", "keydown", "focus"];

const main = document.getElementById("content");
const [stateLine, keyButton, languageButton, themeButton, about] = ["state", "key", "language", "theme", "about"].map((id) => document.getElementById(id));
let pages = null;
let service = null;
let reached = "waiting"; // how the service answered last: ready, waiting, failed
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

/** What the header says of the service: how it answered last, and whether a key is missing or wrong. */
function showState() {
  const needsKey = service?.auth === "api-key" && reached === "ready";
  const [name, words] = needsKey && isKeyUnknown() ? ["failed", "state.wrong-key"] : needsKey && !hasKey() ? ["waiting", "state.key"] : [reached, `state.${reached}`];
  if (stateLine.dataset.state === name && stateLine.textContent === t(words)) return;
  stateLine.dataset.state = name;
  stateLine.title = t(words);
  fill(stateLine, h("span", {}, t(words)));
}

function showTools() {
  fill(languageButton, t("other-language"));
  languageButton.setAttribute("aria-label", t("other-language-label"));
  languageButton.lang = t("other-language-code");
  paint();
  showState();
  if (!service) return;
  keyButton.hidden = service.auth === "none";
  fill(keyButton, sign("key"), t(hasKey() ? "key.set" : "key.button"));
  about.textContent = t("about", { model: service.FaceModelVersion, version: service.version });
}

const KIOSK = asked("kiosk") !== null && !["0", "no", "off", "false"].includes(asked("kiosk").toLowerCase());
// A kiosk shows the desk alone, whatever its address says.
const shownName = () => (KIOSK ? "desk" : pages && location.hash.slice(1) in pages ? location.hash.slice(1) : "detect");
let shown = null;

/** A page that is loaded when it is first opened: most visitors of the others never need it. */
function later(load) {
  const page = { root: document.createElement("div"), build() {}, loading: null };
  page.opened = async () => {
    page.loading ??= load();
    let loaded;
    try {
      loaded = await page.loading;
    } catch {
      page.loading = null;
      if (shown === page) fill(page.root, problem({ code: "unreachable" }, page.opened));
      return;
    }
    if (!page.reopened) {
      loaded.build();
      Object.assign(page, { build: loaded.build, closed: loaded.closed, reopened: loaded.opened ?? (() => {}) });
      Object.defineProperty(page, "intake", { get: () => loaded.intake });
      fill(page.root, loaded.root);
    }
    if (shown === page) page.reopened();
  };
  return page;
}

function showPage() {
  const name = shownName();
  document.title = `${t(name)} – FaceComparison`;
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

/** Ask the service about itself, again and again while it cannot be reached or loads its models. */
async function begin() {
  let document_;
  try {
    document_ = await openapi();
  } catch (error) {
    const loading = error.code === "not_ready" || error.code === "draining";
    reached = loading ? "waiting" : "failed";
    showState();
    fill(main, loading ? h("div", { class: "page" }, h("section", { class: "card", role: "status" }, h("h1", {}, t("loading.title")), h("p", { class: "lede" }, t("loading.text")))) : problem(error, begin));
    setTimeout(() => !pages && begin(), 1000 * (error.retryAfter || 2));
    return;
  }
  if (pages) return; // another try was quicker
  service = document_["x-service"];
  const compare = comparePage(service);
  const compareWith = (subject) => {
    location.hash = "compare";
    compare.setSource(subject);
  };
  const desk = later(async () => (await import("./checkin/desk.js")).deskPage(service));
  const people = later(async () => (await import("./people/people.js")).peoplePage(service));
  pages = { detect: detectPage(service, compareWith), compare, people, desk, reference: referencePage(service, document_) };
  Object.values(pages).forEach((page) => page.build());
  showTools();
  showPage();
  scheduleProbe();
  if (service.auth !== "none" && !hasKey()) askKey();
}

let timer = 0;
let answered = 0; // when the service answered last

/** Asks a service that does not answer until it does. One that answers is not asked again and again: each is a line in its log. */
function scheduleProbe() {
  clearTimeout(timer);
  if (reached === "ready") return;
  timer = setTimeout(async () => {
    if (document.visibilityState === "visible") await probe();
    scheduleProbe();
  }, AGAIN_MILLISECONDS);
}

/** Whoever comes back to the page sees how the service is now, before anything is sent. */
function welcome() {
  if (!pages || document.visibilityState !== "visible" || Date.now() - answered < FRESH_MILLISECONDS) return;
  answered = Date.now(); // not once more while this is under way
  probe();
}

document.addEventListener("service", ({ detail }) => {
  answered = Date.now();
  if (pages && detail !== reached) setTimeout(scheduleProbe);
  reached = detail;
  showState();
});
document.addEventListener("visibilitychange", welcome);
for (const name of PRESENCE) addEventListener(name, welcome, { passive: true, capture: true });
addEventListener("offline", probe);
addEventListener("online", probe);
document.addEventListener("language", () => {
  showTools();
  document.title = `${t(shownName())} – FaceComparison`;
  if (pages) Object.values(pages).forEach((page) => page.build());
});
document.addEventListener("key", showTools);
document.addEventListener("key-checked", showTools);
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
acceptTransfers(() => pages?.[shownName()].intake);

if (KIOSK) document.documentElement.dataset.kiosk = "";
await speak(preferred());
showPage();
await begin();
