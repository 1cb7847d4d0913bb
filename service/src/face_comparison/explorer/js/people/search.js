/** Who is this? Every face of an image, looked for in the collection. */

import { announce, fill, h, keepFocus, sign } from "../dom.js";
import { acceptable, crop, keeper } from "../image.js";
import { acceptDrops, intake } from "../intake.js";
import { number, percent, t } from "../language.js";
import { copiesNotice } from "../notices.js";
import { problem } from "../problem.js";
import { callWithImage, call } from "../service.js";
import { addBox, nameOf as nameOfSubject, shot } from "../shot.js";

const CROP = 152;
const KINDS = { match: "same", ambiguous: "unsure", unknown: "other" };
const SIGNS = { match: "done", ambiguous: "warn", unknown: "no" };

const keep = keeper(); // there is one panel at a time

/** context: see people.js. */
export function searchPanel({ service, collection, nameOf }) {
  const state = { subject: null, answer: null, error: null, busy: false };
  keep([]);
  const shown = h("div", { class: "stack" });
  const result = h("div", { class: "stack", tabindex: "-1" });
  const taking = intake({ take: async ([file]) => look({ image: await acceptable(file, service) }), takeUrl: (url) => look({ url }), service });
  const root = h("section", { class: "card stack", "aria-labelledby": "search-title" }, h("h2", { id: "search-title" }, t("search.title")), shown, taking, result);
  acceptDrops(root, taking);

  async function look(subject) {
    keep(subject.image ? [subject.image] : []);
    Object.assign(state, { subject, answer: null, error: null, busy: true });
    await show();
    announce(t("search.working"));
    const path = [collection, "search"];
    try {
      const answer = subject.image ? await callWithImage(path, subject.image) : await call("POST", path, { json: { url: subject.url } });
      const names = await namesOf(answer.Faces);
      if (state.subject !== subject) return;
      state.answer = { ...answer, names };
    } catch (error) {
      if (state.subject !== subject) return;
      state.error = error;
    }
    state.busy = false;
    await show();
    if (state.answer) announce(state.answer.Faces.map((face, i) => `${t("detect.face", { number: i + 1 })}: ${said(face)}`).join(". ") || t("detect.none"));
    keepFocus(result);
  }

  async function namesOf(faces) {
    const ids = new Set(faces.flatMap((face) => face.Matches.map((match) => match.UserId)).filter(Boolean));
    return new Map(await Promise.all([...ids].map(async (id) => [id, await nameOf(id)])));
  }

  const called = (match) => state.answer.names.get(match.UserId) ?? match.ExternalImageId ?? match.FaceId;
  const candidates = (face) => face.Matches.slice(0, 3).map(called).join(t("list.or"));

  function said(face) {
    if (face.Decision === "match") return called(face.Matches[0]);
    return face.Decision === "ambiguous" && face.Matches.length ? t("search.perhaps", { names: candidates(face) }) : t(`decision.${face.Decision}`);
  }

  async function show() {
    const { subject, answer, error, busy } = state;
    taking.compact(Boolean(subject));
    const drawn = subject && !(subject.url && error) ? shot(subject, { label: t("search.image"), tall: 0.5, boxes: answer?.Faces.map((face) => face.BoundingBox) ?? [] }) : null;
    if (drawn) drawn.root.classList.toggle("busy", busy);
    fill(shown, drawn?.root, subject?.image && copiesNotice([subject.image]));
    const faces = answer?.Faces ?? [];
    const cards = faces.map((face, i) => card(face, i, drawn));
    fill(
      result,
      busy && h("p", { class: "empty" }, t("search.working")),
      error && problem(error, () => look(subject), nameOfSubject(subject)),
      answer && !faces.length && h("div", { class: "notice info" }, sign("face"), h("p", {}, t("error.no_face"))),
      faces.length > 0 && h("ul", { class: "faces" }, cards),
      faces.length > 0 && certainty(answer),
    );
    if (drawn?.element) drawn.element.decode().then(() => cards.forEach((each, i) => each.cut(drawn.element, faces[i].BoundingBox)), () => {});
  }

  function card(face, i, drawn) {
    const kind = KINDS[face.Decision];
    const words = said(face);
    addBox(drawn.root, face.BoundingBox, { label: `${t("detect.face", { number: i + 1 })}: ${words}`, text: face.Decision === "match" ? words : String(i + 1), kind });
    const place = h("span", { class: "nocrop" }, sign("face"));
    const best = face.Matches[0];
    const item = h(
      "li",
      { class: `face decision ${kind}` },
      place,
      h(
        "div",
        { class: "about" },
        h("h3", { class: `${kind}-text row` }, sign(SIGNS[face.Decision]), words),
        h("p", {}, face.Decision === "unknown" ? null : `${t(`decision.${face.Decision}`)} `, t(`decision.next-${face.Decision}`)),
        best && face.Decision !== "unknown" && h("p", { class: "small faint" }, t("search.probability", { confidence: percent(best.Confidence) })),
        face.Matches.length > 0 && details(face),
      ),
    );
    item.cut = (element, box) => place.replaceWith(Object.assign(crop(element, box, CROP), { ariaHidden: "true" }));
    return item;
  }

  const details = (face) =>
    h("details", { class: "fold" }, h("summary", { class: "small" }, t("desk.details")), h("ul", { class: "small faint" }, face.Matches.map((match) => h("li", {}, t("search.match", { name: called(match), distance: number(match.Distance, 3), confidence: percent(match.Confidence) })))), h("p", { class: "small faint" }, t("search.threshold", { threshold: number(face.Threshold, 3) })));

  return { root, intake: taking };
}

/** How much an answer is worth at the size of this collection. */
const certainty = ({ GallerySize: size, ExpectedFalsePositiveRate: rate, Exact: exact }) =>
  h("p", { class: "small faint" }, t("search.certainty", { count: number(size, 0) }), " ", rate > 0 ? t("search.rate", { searches: number(Math.max(1, Math.round(1 / rate)), 0) }) : "", exact ? "" : ` ${t("search.approximate")}`);
