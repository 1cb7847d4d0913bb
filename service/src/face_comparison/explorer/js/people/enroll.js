/** Adding a person: a name, some images, and what became of each. */

import { announce, fill, h, sign } from "../dom.js";
import { acceptable, keeper } from "../image.js";
import { acceptDrops, intake } from "../intake.js";
import { meaning, t } from "../language.js";
import { copiesNotice } from "../notices.js";
import { problem } from "../problem.js";
import { call, callWithImage } from "../service.js";
import { item } from "../subjects.js";
import { thumbnail, nameOf as nameOfSubject } from "../shot.js";

const ID = "[A-Za-z0-9_.:\\-]{1,128}";
const MOST = 20;

/** An id for a name: its own letters where they are ASCII, else a random one. */
export function idFor(name) {
  const plain = name.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return plain.slice(0, 100) || `person-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
}

const keep = keeper(); // there is one panel at a time

/** context: see people.js. */
export function enrollPanel({ service, collection, nameOf, changed }) {
  const state = { person: null, subjects: [], outcomes: [], busy: false };
  const chosen = h("div", { class: "images" });
  const keepShown = () => keep([...state.subjects, ...state.outcomes.map(({ subject }) => subject)].map(({ image }) => image));
  const outcome = h("div", { class: "stack", tabindex: "-1" });
  const trouble = h("div");
  const name = h("input", { type: "text", id: "person-name", required: true, maxlength: "200", autocomplete: "off", oninput: showButton });
  const id = h("input", { type: "text", id: "person-id", pattern: ID, autocomplete: "off", spellcheck: "false" });
  const until = h("input", { type: "date", id: "person-until" });
  const who = h("div");
  const button = h("button", { type: "submit", class: "main" });
  const notice = h("div");
  const taking = intake({ take, many: true, room: () => MOST - state.subjects.length, service });
  const form = h("form", { class: "stack", onsubmit: submitted }, who, chosen, notice, h("div", { class: "row" }, button));
  const root = h("section", { class: "card stack", "aria-labelledby": "enroll-title" }, h("h2", { id: "enroll-title" }, t("enroll.title")), h("p", { class: "faint small" }, t("enroll.help")), taking, form, trouble, outcome);
  acceptDrops(root, taking);

  async function take(files) {
    for (const file of files) state.subjects.push({ image: await acceptable(file, service) });
    state.outcomes = [];
    keepShown();
    show();
  }

  function remove(subject) {
    state.subjects = state.subjects.filter((each) => each !== subject);
    keepShown();
    show();
  }

  async function submitted(event) {
    event.preventDefault();
    if (!state.subjects.length || state.busy) return;
    state.busy = true;
    fill(trouble);
    show();
    try {
      state.person ??= await create();
      await sendAll();
    } catch (error) {
      fill(trouble, problem(error, null, error.about ?? ""));
    }
    state.busy = false;
    show();
    await changed();
  }

  async function create() {
    const userId = id.value || idFor(name.value);
    const person = { UserId: userId, Metadata: { Name: name.value.trim() }, ...(until.value ? { Expires: `${until.value}T23:59:59Z` } : {}) };
    try {
      return await call("POST", [collection, "users"], { json: person });
    } catch (error) {
      if (error.code === "user_exists") error.message = t("enroll.exists", { id: userId });
      throw Object.assign(error, { about: name.value });
    }
  }

  async function sendAll() {
    const left = [];
    for (const subject of state.subjects) {
      const found = await sendOne(subject);
      state.outcomes.push({ subject, ...found });
      if (!found.added) left.push(subject);
    }
    state.subjects = [];
    const added = state.outcomes.filter(({ added: yes }) => yes).length;
    announce(t("enroll.done", { added, count: state.outcomes.length, name: nameOfPerson() }));
    outcome.focus();
  }

  async function sendOne(subject) {
    try {
      const reply = await callWithImage([collection, "faces"], subject.image, { UserId: state.person.UserId });
      const duplicates = await Promise.all(reply.Duplicates.map(async (other) => (other.UserId ? nameOf(other.UserId) : other.FaceId)));
      const [record] = reply.FaceRecords;
      const others = reply.UnindexedFaces.filter(({ Reasons: reasons }) => reasons.includes("EXCEEDS_MAX_FACES")).length;
      const reasons = record ? [] : [...new Set(reply.UnindexedFaces.flatMap((face) => face.Reasons))].filter((reason) => reason !== "EXCEEDS_MAX_FACES");
      return { added: Boolean(record), known: record?.Created === false, unlike: record?.PersonFit?.Fits === false, duplicates: [...new Set(duplicates)], others, reasons };
    } catch (error) {
      return { added: false, error, duplicates: [], reasons: [], others: 0 };
    }
  }

  const nameOfPerson = () => state.person?.Metadata?.Name || state.person?.UserId || name.value.trim();

  /** Begin with a person who is there already, to add further images. */
  function addTo(person) {
    Object.assign(state, { person, outcomes: [] });
    keepShown();
    show();
    root.scrollIntoView({ block: "nearest" });
    taking.querySelector("input[type=file]").focus();
  }

  function another() {
    Object.assign(state, { person: null, outcomes: [], subjects: [] });
    keepShown();
    for (const input of [name, id, until]) input.value = "";
    fill(trouble);
    show();
    name.focus();
  }

  function showButton() {
    button.disabled = state.busy || !state.subjects.length;
    button.textContent = state.busy ? t("enroll.working") : state.person ? t("enroll.add-images", { name: nameOfPerson() }) : t("enroll.add", { name: name.value.trim() || t("enroll.person") });
  }

  function show() {
    taking.compact(state.subjects.length > 0);
    fill(who, state.person ? h("p", { class: "row apart" }, h("span", {}, t("enroll.adding-to", { name: nameOfPerson() })), h("button", { type: "button", class: "small", onclick: another }, t("enroll.another"))) : fields());
    fill(chosen, state.subjects.map((subject) => item(subject, remove)));
    fill(notice, copiesNotice(state.subjects.map(({ image }) => image)));
    showButton();
    fill(outcome, state.outcomes.length > 0 && h("ul", { class: "outcomes stack", "aria-label": t("enroll.outcomes") }, state.outcomes.map(line)));
  }

  const fields = () =>
    h(
      "div",
      { class: "stack tight" },
      h("div", { class: "field" }, h("label", { for: "person-name" }, t("enroll.name")), name),
      h(
        "details",
        { class: "fold" },
        h("summary", { class: "small" }, t("enroll.more")),
        h("div", { class: "row form" }, h("div", { class: "field" }, h("label", { for: "person-id" }, t("enroll.id")), id, h("span", { class: "small" }, t("enroll.id-help"))), h("div", { class: "field" }, h("label", { for: "person-until" }, t("enroll.until")), until, h("span", { class: "small" }, t("enroll.until-help")))),
      ),
    );

  keepShown();
  show();
  return { root, intake: taking, addTo };
}

/** What became of one image, and what to do about it. */
function line({ subject, added, known, unlike, duplicates, others, reasons, error }) {
  const notes = [
    error && (meaning(error.code) ?? error.message),
    ...reasons.map((reason) => t(`reason.${reason}`)),
    added && others > 0 && t("enroll.others"),
    unlike && t("enroll.unlike"),
    duplicates.length > 0 && t("enroll.duplicate", { names: duplicates.join(t("list.and")) }),
  ].filter(Boolean);
  const kind = !added ? "other" : notes.length ? "unsure" : "same";
  return h(
    "li",
    { class: "outcome" },
    thumbnail(subject),
    h("div", {}, h("p", { class: `${kind}-text row` }, sign(!added ? "no" : notes.length ? "warn" : "done"), t(!added ? "enroll.rejected" : known ? "enroll.known" : "enroll.added")), h("p", { class: "small faint" }, nameOfSubject(subject)), notes.map((note) => h("p", {}, note))),
  );
}
