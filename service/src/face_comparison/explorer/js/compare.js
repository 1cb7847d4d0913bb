/** The page Compare: one image against others, and what another threshold would say. */

import { acceptable, acceptableTogether } from "./dialogs.js";
import { afterPaint, announce, fill, h, keepFocus, sign } from "./dom.js";
import { exchangePanels } from "./exchange.js";
import { intake } from "./intake.js";
import { meaning, number, percent, t } from "./language.js";
import { joined } from "./lines.js";
import { opened } from "./image.js";
import { problem } from "./problem.js";
import { runner } from "./run.js";
import { scale } from "./scale.js";
import { ENDPOINTS } from "./service.js";
import { addBox, nameOf, shot, thumbnail } from "./shot.js";

export function comparePage(service) {
  const root = h("div", { class: "page" });
  const run = runner();
  const own = service.defaults.threshold;
  const state = { source: null, targets: [], chosen: 0, threshold: own, answer: null, error: null, busy: false };
  let parts;

  const setSource = (subject) => {
    state.source = subject;
    compare();
  };

  function addTargets(subjects) {
    const room = service.limits.max_targets - state.targets.length;
    if (subjects.length > room) announce(t("intake.too-many", { count: service.limits.max_targets }));
    state.targets = [...state.targets, ...subjects.slice(0, room)];
    state.chosen = Math.max(0, state.targets.length - subjects.length);
    compare();
  }

  const images = async (files) => {
    const subjects = [];
    for (const file of files) {
      const image = await acceptable(await opened(file.blob, file.name), service.limits);
      if (image) subjects.push({ image });
    }
    return subjects;
  };
  const takeSource = async (files) => (await images(files)).forEach(setSource);
  const takeTargets = async (files) => {
    const subjects = await images(files);
    if (subjects.length) addTargets(subjects);
  };

  function remove(subject) {
    if (subject === state.source) state.source = null;
    state.targets = state.targets.filter((target) => target !== subject);
    state.chosen = Math.min(state.chosen, Math.max(0, state.targets.length - 1));
    compare();
  }

  async function compare() {
    Object.assign(state, { answer: null, error: null, busy: false });
    if (!state.source || !state.targets.length) return show();
    const subjects = [state.source, ...state.targets].filter((subject) => subject.image);
    const accepted = await acceptableTogether(subjects.map((subject) => subject.image), service.limits);
    if (!accepted) return show();
    subjects.forEach((subject, i) => (subject.image = accepted[i]));
    state.busy = true;
    show();
    announce(t("compare.working"));
    return run(
      request(service, state),
      (answer) => finished({ answer, error: null, chosen: Math.min(state.chosen, answer.reply.Targets.length - 1) }),
      (error) => finished({ answer: null, error }),
    );
  }

  function finished(result) {
    Object.assign(state, result, { busy: false });
    show();
    const target = state.answer?.reply.Targets[state.chosen];
    if (target) announce(target.Error ? (meaning(target.Error.code) ?? target.Error.message) : words(target, state).join(" "));
  }

  function build() {
    parts = { source: h("div", { class: "stack" }), targets: h("div", { class: "stack" }), result: h("div", { class: "stack", tabindex: "-1" }), below: h("div") };
    fill(
      root,
      h("header", {}, h("h1", {}, t("compare.title")), h("p", { class: "lede" }, t("compare.lede"))),
      h(
        "div",
        { class: "halves" },
        h("section", { class: "card", "aria-labelledby": "source-title" }, h("h2", { id: "source-title" }, t("compare.source")), parts.source),
        h("section", { class: "card", "aria-labelledby": "targets-title" }, h("h2", { id: "targets-title" }, t("compare.targets")), parts.targets),
      ),
      parts.result,
      parts.below,
    );
    show();
  }

  function show() {
    const side = service.limits.max_side_pixels;
    const first = intake({ take: takeSource, takeUrl: (url) => setSource({ url }), compact: Boolean(state.source), side });
    const others = intake({ take: takeTargets, takeUrl: (url) => addTargets([{ url }]), many: true, compact: state.targets.length > 0, side });
    page.intake = state.source ? others : first;
    const complete = state.source && state.targets.length > 0;
    fill(parts.source, state.source && h("div", { class: "images" }, item(state.source, remove)), first);
    fill(parts.targets, state.targets.length > 0 && h("div", { class: "images" }, state.targets.map((target) => item(target, remove))), others);
    fill(
      parts.result,
      !complete && h("section", { class: "card stack", "aria-label": t("compare.scale") }, h("p", { class: "faint" }, t("compare.waiting")), h("div", { class: "narrow" }, ruler([], () => {}))),
      state.busy && h("p", { class: "card empty" }, t("compare.working")),
      state.error && problem(state.error, compare),
    );
    if (state.answer) showAnswer();
    fill(parts.below);
    showExchange();
    if (state.answer || state.error) keepFocus(parts.result);
  }

  const showExchange = () => {
    const { answer, error } = state;
    if (answer || error) afterPaint(() => state.answer === answer && state.error === error && fill(parts.below, exchangePanels(request(service, state), answer, error)));
  };

  /** A scale of distances whose slider moves the page's threshold; judge() shows what that changes. */
  function ruler(marks, judge) {
    const drawn = scale({
      version: service.FaceModelVersion,
      marks,
      own,
      threshold: state.threshold,
      moved: (threshold) => {
        state.threshold = threshold;
        drawn.show(threshold);
        judge();
        showExchange();
      },
    });
    return drawn;
  }

  function showAnswer() {
    const targets = state.answer.reply.Targets;
    const verdict = h("div");
    const pair = h("div", { class: "pair", role: "group", "aria-label": t("compare.pair") });
    const strip = targets.length > 1 && h("div", { class: "strip", role: "group", "aria-label": t("compare.results") });
    const marks = targets.flatMap((target, i) => (target.Faces ?? []).slice(0, i === state.chosen ? undefined : 1).map((face, j) => ({ distance: face.Distance, chosen: i === state.chosen && j === 0 })));
    const judge = () => {
      fill(verdict, verdictOf(targets[state.chosen], state, own));
      showPair(pair, state);
      if (strip) fill(strip, targets.map((target, i) => thumb(target, i)));
    };
    const thumb = (target, i) => {
      const same = target.Distance <= state.threshold;
      return h(
        "button",
        { type: "button", class: "thumb", "aria-pressed": String(i === state.chosen), onclick: () => choose(i) },
        thumbnail(state.targets[i]),
        target.Error ? h("span", { class: "other-text" }, sign("warn"), t("compare.bad")) : h("span", { class: same ? "same-text" : "other-text" }, sign(same ? "done" : "no"), number(target.Distance, 3), h("i", { class: "unseen" }, t(same ? "compare.same" : "compare.other"))),
        h("em", {}, nameOf(state.targets[i])),
      );
    };
    const choose = (i) => {
      state.chosen = i;
      showAnswer();
      parts.result.querySelectorAll(".thumb")[i]?.focus();
    };
    const sames = targets.filter((target) => target.Distance <= state.threshold).length;
    fill(
      parts.result,
      strip && h("section", { class: "card", "aria-labelledby": "results-title" }, h("h2", { id: "results-title" }, t("compare.of", { same: sames, count: targets.length })), strip),
      h(
        "div",
        { class: "columns verdict-first" },
        h("section", { class: "card stack" }, pair),
        h("section", { class: "card stack" }, verdict, marks.length > 0 && ruler(marks, judge)),
      ),
    );
    judge();
  }

  const page = { root, build, setSource, addTargets, intake: null };
  return page;
}

/** What is sent; see samples.js. Only a threshold that differs from the service's is part of it. */
function request(service, { source, targets, threshold }) {
  const base = { url: ENDPOINTS.compare, key: service.auth !== "none" };
  const changed = threshold === service.defaults.threshold ? null : threshold;
  if ([source, ...targets].every((subject) => subject.url)) {
    return { ...base, json: { source: { url: source.url }, targets: targets.map(({ url }) => ({ url })), ...(changed === null ? {} : { threshold: changed }) } };
  }
  const part = (name, { image, url }) => (image ? { name, file: image.name, blob: image.blob } : { name, text: url });
  return { ...base, form: [part("source", source), ...targets.map((target) => part("target", target)), ...(changed === null ? [] : [{ name: "threshold", text: String(changed) }])] };
}

function item(subject, remove) {
  const name = nameOf(subject);
  return h(
    "div",
    { class: "item" },
    thumbnail(subject),
    h("p", {}, name),
    h("button", { type: "button", class: "away", "aria-label": t("intake.remove", { name }), onclick: () => remove(subject) }, sign("no")),
  );
}

function words({ Distance: distance, Confidence: confidence }, { threshold }) {
  const same = distance <= threshold;
  const sure = same ? confidence : 1 - confidence;
  // Below a half the threshold says one thing and the probability the other: the visitor has moved it far.
  const how = sure > 0.99 ? "sure" : sure > 0.9 ? "very-likely" : sure > 0.7 ? "likely" : sure > 0.3 ? "unsure" : "by-threshold";
  const filling = { sure: capital(t(`compare.${how}`)), distance: number(distance, 3), threshold: number(threshold, 3) };
  return [`${t(same ? "compare.same" : "compare.other")}.`, t(same ? "compare.sentence-same" : "compare.sentence-other", filling), t("compare.probability", { confidence: percent(confidence) })];
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function verdictOf(target, state, own) {
  if (target.Error) {
    return h("div", { class: "notice info" }, sign("warn"), h("div", {}, h("h3", {}, t("compare.bad")), h("p", {}, meaning(target.Error.code) ?? target.Error.message), h("p", { class: "small faint" }, `${target.Error.code}: ${target.Error.message}`)));
  }
  const same = target.Distance <= state.threshold;
  const [, sentence, probability] = words(target, state);
  const byOwn = target.Distance <= own;
  return h(
    "div",
    { class: `verdict ${same ? "same" : "other"}` },
    h("strong", {}, sign(same ? "done" : "no"), t(same ? "compare.same" : "compare.other")),
    h("p", {}, sentence),
    h("p", {}, probability),
    byOwn !== same && h("p", { class: "small" }, t("compare.moved", { threshold: number(own, 3), verdict: t(byOwn ? "compare.same" : "compare.other") })),
  );
}

function showPair(pair, { source, targets, chosen, threshold, answer }) {
  const { Source: found, Targets: results } = answer.reply;
  const faces = results[chosen].Faces ?? [];
  const left = shot(source, { label: t("compare.source"), tall: 0.5, boxes: [found.BoundingBox] });
  const right = shot(targets[chosen], { label: t("compare.targets"), tall: 0.5, boxes: faces.map((face) => face.BoundingBox) });
  fill(pair, figure(left, source), figure(right, targets[chosen]));
  const from = addBox(left.root, found.BoundingBox, { label: `${t("compare.source")} ${percent(found.Confidence)}`, text: percent(found.Confidence) });
  const links = faces.map((face) => {
    const kind = face.Distance <= threshold ? "same" : "other";
    const text = number(face.Distance, 3);
    return { from, to: addBox(right.root, face.BoundingBox, { label: `${t("compare.lines", { distance: text })}: ${t(`compare.${kind}`)}`, text, kind }), kind };
  });
  // The nearest face's line lies above all others.
  joined(pair, links.reverse());
}

const figure = (drawn, subject) => h("figure", {}, drawn.root, h("figcaption", {}, nameOf(subject)));
