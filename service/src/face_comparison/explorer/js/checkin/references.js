/**
 * Whom the person at the camera is compared with: an ID photo, a person of a collection (1:1), or everybody in it (1:N).
 *
 * A reference is {image}, {url} or {collection, userId, name}; userId "": everybody.
 */

import { fill, h } from "../dom.js";
import { t } from "../language.js";
import { personName } from "../people/person.js";
import { problem } from "../problem.js";
import { call, callWithImage, ENDPOINTS, mayDo, send } from "../service.js";
import { jsonOf } from "../subjects.js";
import { isCrowd, nearest } from "./guidance.js";

const LISTED = 1000;

export const canSearch = (service) => Boolean(service.endpoints.collections) && mayDo("search");

/** Choose a collection and a person of it. chosen(reference): called when the visitor starts. */
export function personChoice(chosen) {
  const collection = h("select", { id: "desk-collection", onchange: () => list().catch((error) => fill(trouble, problem(error, list))) });
  const person = h("select", { id: "desk-person" });
  const id = h("input", { type: "text", id: "desk-id", autocomplete: "off", spellcheck: "false" });
  const byId = h("div", { class: "field", hidden: true }, h("label", { for: "desk-id" }, t("desk.person-id")), id);
  const start = h("button", { type: "submit", class: "main" }, t("desk.start"));
  const trouble = h("div");
  const fields = h("div", { class: "stack tight" }, h("div", { class: "field" }, h("label", { for: "desk-collection" }, t("collection.title")), collection), h("div", { class: "field" }, h("label", { for: "desk-person" }, t("desk.person")), person), byId, h("div", { class: "row" }, start));
  const root = h("form", { class: "stack", onsubmit: submitted }, fields, trouble);
  let names = new Map();

  async function load() {
    try {
      const { CollectionIds: ids } = await call("GET", [], { query: { MaxResults: LISTED } });
      fields.hidden = !ids.length;
      fill(trouble, !ids.length && h("p", { class: "faint" }, t("desk.no-collection")));
      fill(collection, ids.map((each) => h("option", { value: each }, each)));
      if (ids.length) await list();
    } catch (error) {
      fill(trouble, problem(error, load));
    }
  }

  async function list() {
    const asked = collection.value;
    const kept = person.value;
    names = new Map(); // nobody of the one before can be chosen
    fill(person, h("option", { value: "" }, t("desk.anybody")));
    const reply = await call("GET", [asked, "users"], { query: { MaxResults: LISTED } });
    if (asked !== collection.value) return; // another one was chosen meanwhile
    names = new Map(reply.Users.map((user) => [user.UserId, personName(user)]));
    const sorted = [...names].toSorted(([, one], [, other]) => one.localeCompare(other));
    fill(person, h("option", { value: "" }, t("desk.anybody")), sorted.map(([value, name]) => h("option", { value }, name === value ? name : `${name} (${value})`)));
    person.value = names.has(kept) ? kept : "";
    byId.hidden = !reply.NextToken;
  }

  function submitted(event) {
    event.preventDefault();
    const userId = (!byId.hidden && id.value.trim()) || person.value;
    chosen({ collection: collection.value, userId, name: userId ? (names.get(userId) ?? userId) : t("desk.anybody") });
  }

  load();
  return root;
}

/**
 * Compare a captured image. Returns {answer, title, reason, target}; answer: same, review, different.
 *
 * The service finds the best match among all faces of an image. At a desk, only the nearest face counts: neither somebody
 * in the background nor an ID card held up to the camera may vouch for the guest. Where several people are about as near,
 * a person decides.
 *
 * Throws ServiceError.
 */
export async function judge(service, reference, blob) {
  const captured = { blob, type: "image/jpeg" };
  if (reference.collection && reference.userId) return fromTarget(await callWithImage([reference.collection, "users", reference.userId, "verify"], captured));
  if (reference.collection) return fromSearch(await callWithImage([reference.collection, "search"], captured), reference);
  const source = reference.face ? { name: "source", text: JSON.stringify(jsonOf(reference)) } : reference.image ? { name: "source", file: reference.image.name, blob: reference.image.blob } : { name: "source", text: reference.url };
  const { reply } = await send({ url: ENDPOINTS.compare, form: [source, { name: "target", file: "camera.jpg", blob }] });
  const [target] = reply.Targets;
  if (target.Error) return { answer: "review", reason: `error.${target.Error.code}` };
  // A hash does not say that its face is hard to recognize.
  return reference.face?.reliable === false ? { ...fromTarget(target), answer: "review" } : fromTarget(target);
}

const SEVERAL = { answer: "review", reason: "desk.several-captured" };

function fromTarget({ Faces: faces }) {
  const face = nearest(faces);
  return isCrowd(faces) ? SEVERAL : { answer: face.Verdict, target: face };
}

async function fromSearch({ Faces: faces }, { collection }) {
  const face = nearest(faces);
  if (!face) return { answer: "review", reason: "error.no_face" };
  if (isCrowd(faces)) return SEVERAL;
  const [best] = face.Matches;
  const name = best?.UserId ? await call("GET", [collection, "users", best.UserId]).then(personName, () => best.UserId) : best?.FaceId;
  if (face.Decision === "match") return { answer: "same", title: name, target: best };
  if (face.Decision === "ambiguous") return { answer: "review", reason: "decision.ambiguous", target: best };
  return { answer: "different", title: t("decision.unknown"), reason: "decision.next-unknown" };
}
