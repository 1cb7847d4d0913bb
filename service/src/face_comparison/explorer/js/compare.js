/** The page Compare: one face against other images, and what another threshold would say. */

import { afterPaint, announce, bringIntoView, fill, h, keepFocus, sign } from "./dom.js";
import { earlierComparisons, KEPT } from "./earlier.js";
import { developerDetails } from "./exchange.js";
import { acceptDrops, changedSample, intake, sample } from "./intake.js";
import { meaning, number, percent, t } from "./language.js";
import { acceptable, acceptableTogether, keeper, release } from "./image.js";
import { copiesNotice } from "./notices.js";
import { showPair } from "./pair.js";
import { problem } from "./problem.js";
import { resultsPanel } from "./results.js";
import { runner } from "./run.js";
import { scale } from "./scale.js";
import { ServiceError } from "./service.js";
import { nameOf } from "./shot.js";
import { comparison, facePicker, facesOf, item, withFace } from "./subjects.js";
import { cosine, sentences, verdictAt, verdictBlock } from "./verdict.js";

export function comparePage(service) {
  const root = h("div", { class: "page" });
  const run = runner();
  const keep = keeper();
  const own = service.defaults.threshold;
  const nothing = { answer: null, error: null, busy: false, sent: null };
  const state = { ...nothing, source: null, targets: [], chosen: 0, threshold: own, view: { order: "given", filter: "" }, picking: null, earlier: [] };
  let parts, intakes;

  const setSource = (subject) => {
    Object.assign(state, { source: subject, picking: null });
    return compare();
  };

  function addTargets(subjects) {
    const added = subjects.slice(0, room());
    state.chosen = state.targets.length;
    state.targets = [...state.targets, ...added];
    return compare();
  }

  const room = () => service.limits.max_targets - state.targets.length;
  async function images(files) {
    const subjects = []; // one after the other: a hundred decoded at once would take the memory of a phone
    for (const file of files) subjects.push({ image: await acceptable(file, service) });
    return subjects;
  }
  const takeSource = async (files) => setSource((await images(files))[0]);
  const takeTargets = async (files) => addTargets(await images(files));
  const addOne = (subject) => {
    if (room() > 0) addTargets([subject]);
    else intakes.targets.complain(t("intake.too-many", { count: 1 }));
  };

  async function trySamples() {
    const [[one], [other]] = await Promise.all([sample(), changedSample()]);
    Object.assign(state, { source: { image: await acceptable(one, service) }, targets: [{ image: await acceptable(other, service) }], chosen: 0 });
    return compare();
  }

  function remove(subject) {
    if (subject === state.source) Object.assign(state, { source: null, picking: null });
    state.targets = state.targets.filter((target) => target !== subject);
    state.chosen = Math.min(state.chosen, Math.max(0, state.targets.length - 1));
    return compare();
  }

  function swap() {
    [state.source, state.targets] = [state.targets[0], [state.source]];
    return compare();
  }

  async function compare() {
    run.cancel();
    Object.assign(state, nothing);
    if (!state.source || !state.targets.length) return show();
    const subjects = [state.source, ...state.targets].filter((subject) => subject.image && !subject.face);
    const isCurrent = run.current();
    state.busy = true;
    show();
    const accepted = await acceptableTogether(subjects.map((subject) => subject.image), service);
    if (!isCurrent()) return release(accepted ?? []);
    if (!accepted) {
      const error = new ServiceError({ code: "body_too_large", message: t("compare.too-large-together") });
      Object.assign(state, { error, busy: false });
      return show();
    }
    subjects.forEach((subject, i) => (subject.image = accepted[i]));
    state.sent = comparison(service, state.source, state.targets, state.threshold === own ? null : state.threshold);
    show();
    announce(t("compare.working"));
    return run(
      state.sent,
      (answer) => remember(answer) || finished({ answer, error: null, chosen: Math.min(state.chosen, answer.reply.Targets.length - 1) }),
      (error) => finished({ answer: null, error }),
    );
  }

  function remember(answer) {
    const { source, targets, sent, earlier } = state;
    state.earlier = [...earlier, { source, targets, sent, answer }].slice(-KEPT);
  }

  /** Show an earlier comparison with the images and the response that it had. */
  function again(entry) {
    run.cancel();
    Object.assign(state, nothing, entry, { chosen: 0, picking: null });
    show();
    parts.earlier.querySelector("[aria-pressed=true]")?.focus();
  }

  function forgetEarlier() {
    state.earlier = state.earlier.filter(({ answer }) => answer === state.answer);
    show();
  }

  function finished(result) {
    Object.assign(state, result, { busy: false });
    show();
    bringIntoView(parts.result);
    const target = state.answer?.reply.Targets[state.chosen];
    if (target) announce(target.Error ? (meaning(target.Error.code) ?? target.Error.message) : sentences(target, verdict(target), state.threshold).join(" "));
  }

  const verdict = (found, threshold = state.threshold) => verdictAt(found, threshold, state.answer.reply.Threshold, service.defaults);

  const verdictOfFirst = ({ answer: { reply } }) => {
    const [target] = reply.Targets;
    return target.Error ? "none" : verdictAt(target, state.threshold, reply.Threshold, service.defaults);
  };

  /** Let the visitor choose among the faces of an image; with a box the one there is chosen at once. */
  async function pick(subject, box = null) {
    const isCurrent = run.current();
    try {
      const found = await facesOf(service, subject);
      if (!isCurrent()) return undefined;
      if (box && found.faces.length) return setSource(withFace(subject, found, box));
      Object.assign(state, { picking: { subject, found } });
      show();
      parts.source.querySelector(".box")?.focus();
    } catch (error) {
      if (!isCurrent()) return undefined;
      Object.assign(state, { error });
      show();
    }
    return undefined;
  }

  function build() {
    const taking = { service, takeHash: true };
    intakes = {
      source: intake({ ...taking, take: takeSource, takeUrl: (url) => setSource({ url }), takeHash: (hash) => setSource({ hash }), samples: { [t("compare.sample")]: trySamples }, typed: intakes?.source.typed() }),
      targets: intake({ ...taking, take: takeTargets, takeUrl: (url) => addOne({ url }), takeHash: (hash) => addOne({ hash }), many: true, room, typed: intakes?.targets.typed() }),
    };
    parts = { source: h("div", { class: "stack" }), targets: h("div", { class: "stack" }), result: h("div", { class: "stack", tabindex: "-1" }), earlier: h("div"), below: h("div") };
    const left = h("section", { class: "card stack", "aria-labelledby": "source-title" }, h("h2", { id: "source-title" }, t("compare.source")), parts.source, intakes.source);
    const right = h("section", { class: "card stack", "aria-labelledby": "targets-title" }, h("h2", { id: "targets-title" }, t("compare.targets")), parts.targets, intakes.targets);
    acceptDrops(left, intakes.source);
    acceptDrops(right, intakes.targets);
    fill(root, h("header", {}, h("h1", {}, t("compare.title")), h("p", { class: "lede" }, t("compare.lede"))), h("div", { class: "halves" }, left, right), parts.result, parts.earlier, parts.below);
    show();
  }

  function show() {
    const { source, targets, busy, error, answer, picking } = state;
    keep([state, ...state.earlier].flatMap(imagesOf));
    page.intake = source ? intakes.targets : intakes.source;
    intakes.source.compact(Boolean(source));
    intakes.targets.compact(targets.length > 0);
    const complete = source && targets.length > 0;
    const canPick = source && !source.hash && !picking;
    fill(
      parts.source,
      source && h("div", { class: "images" }, item(source, remove)),
      picking && facePicker(picking.subject, picking.found, (box) => setSource(withFace(picking.subject, picking.found, box))),
      source && h("div", { class: "row" }, canPick && h("button", { type: "button", class: "small", onclick: () => pick(source) }, sign("face"), t("faces.other")), targets.length === 1 && h("button", { type: "button", class: "small", onclick: swap }, sign("swap"), t("compare.swap"))),
    );
    fill(parts.targets, targets.length > 0 && h("div", { class: "images" }, targets.map((target) => item(target, remove))));
    fill(
      parts.result,
      !complete && h("section", { class: "card stack", "aria-label": t("compare.scale") }, h("p", { class: "faint" }, t("compare.waiting")), h("div", { class: "narrow" }, ruler([], () => {}))),
      copiesNotice(allImages()),
      busy && h("p", { class: "card empty" }, t("compare.working")),
      error && problem(error, compare, source ? nameOf(source) : ""),
      answer && answerParts(),
    );
    fill(parts.earlier, earlierComparisons({ entries: state.earlier, current: answer, verdictOf: verdictOfFirst, choose: again, forget: forgetEarlier }));
    fill(parts.below);
    showExchange();
    if (answer || error) keepFocus(parts.result);
  }

  const imagesOf = (entry) => [entry.source, ...entry.targets].map((subject) => subject?.image).filter(Boolean);
  const allImages = () => imagesOf(state);

  const showExchange = () => {
    const { answer, error, sent } = state;
    if (sent && (answer || error)) afterPaint(() => state.answer === answer && state.error === error && fill(parts.below, developerDetails({ sent, answer, error, images: allImages(), facts: facts() }), triedNote()));
  };

  function facts() {
    const target = state.answer?.reply.Targets[state.chosen];
    if (!target || target.Error) return [];
    const { reply } = state.answer;
    const found = [[t("compare.scale"), number(target.Distance, 4)], [t("compare.cosine"), number(cosine(target.Distance), 4)], [t("compare.confidence"), percent(target.Confidence)], [t("compare.threshold-sent"), number(reply.Threshold, 3)]];
    return reply.Source.Confidence ? [...found, [t("compare.source-confidence"), percent(reply.Source.Confidence)]] : found;
  }

  /** What was sent does not change with the slider; whoever wants to send the threshold that was tried can. */
  function triedNote() {
    if (!state.answer || state.threshold === state.answer.reply.Threshold) return null;
    const threshold = number(state.threshold, 3);
    return h("p", { class: "small faint row tried" }, t("compare.tried", { threshold }), h("button", { type: "button", class: "small", onclick: compare }, t("compare.send-tried", { threshold })));
  }

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

  function answerParts() {
    const { targets, chosen, answer } = state;
    const found = answer.reply.Targets;
    const block = h("div");
    const pair = h("div", { class: "pair", role: "group", "aria-label": t("compare.pair") });
    const marks = found.flatMap((target, i) => (target.Faces ?? []).slice(0, i === chosen ? undefined : 1).map((face, j) => ({ distance: face.Distance, chosen: i === chosen && j === 0 })));
    const results = () => found.map((target, i) => ({ i, subject: targets[i], target, verdict: target.Error ? "none" : verdict(target) }));
    const panel = found.length > 1 && resultsPanel({ results, view: state.view, reply: answer.reply, chosen, choose });
    const judge = () => {
      const target = found[chosen];
      fill(block, verdictBlock(target, target.Error ? "none" : verdict(target), state.threshold, target.Error ? null : { threshold: own, verdict: verdict(target, own) }));
      showPair(pair, { source: state.source, target: targets[chosen], reply: answer.reply, found: target, verdict, pick });
      panel?.show?.();
    };
    judge();
    return [panel, h("div", { class: "columns verdict-first" }, h("section", { class: "card stack" }, pair), h("section", { class: "card stack" }, block, marks.length > 0 && ruler(marks, judge)))];
  }

  function choose(i) {
    state.chosen = i;
    show();
    parts.result.querySelector(`.thumb[data-index="${i}"]`)?.focus();
  }

  const page = { root, build, setSource, addTargets, intake: null };
  return page;
}
