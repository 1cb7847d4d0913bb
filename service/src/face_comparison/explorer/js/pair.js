/** Two images side by side with lines between their faces; a click on any face makes it the one that is looked for. */

import { fill, h } from "./dom.js";
import { t } from "./language.js";
import { joined } from "./lines.js";
import { addBox, nameOf, shot } from "./shot.js";
import { KINDS } from "./verdict.js";

/** found: the target's result; verdict(face): by the threshold that is tried; pick(subject, box): look for that face. */
export function showPair(pair, { source, target, reply, found, verdict, pick }) {
  const faces = (found.Faces ?? []).filter((face) => face.BoundingBox);
  const from = reply.Source.BoundingBox ?? source.face?.box;
  const left = shot(source, { label: t("compare.source"), tall: 0.5, boxes: from ? [from] : [] });
  const right = shot(target, { label: t("compare.targets"), tall: 0.5, boxes: faces.map((face) => face.BoundingBox) });
  fill(pair, figure(left, source), figure(right, target));
  const start = from ? addBox(left.root, from, { label: t("faces.other"), text: t("compare.this-person"), onchosen: () => pick(source) }) : left.root;
  const ends = faces.map((face, i) => {
    const said = verdict(face);
    const label = `${t(`verdict.${said}`)}. ${t("faces.make-source")}`;
    return { from: start, to: addBox(right.root, face.BoundingBox, { label, text: t(`verdict.short-${said}`), kind: `${KINDS[said]}${i ? " quiet" : ""}`, onchosen: () => pick(target, face.BoundingBox) }), kind: KINDS[said] };
  });
  const links = ends.length || found.Error ? ends : [{ from: start, to: right.root, kind: KINDS[verdict(found)] }];
  // The nearest face's line lies above all others.
  joined(pair, links.reverse());
}

const figure = (drawn, subject) => h("figure", {}, drawn.root, h("figcaption", {}, nameOf(subject)));
