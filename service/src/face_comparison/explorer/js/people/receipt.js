/** The receipt of an erasure: shown, downloaded, and asked for again until nothing is left in the store's files. */

import { fill, h, save, sign } from "../dom.js";
import { moment, number, t } from "../language.js";
import { problem } from "../problem.js";
import { call } from "../service.js";

/** receipt: {name, reply}; the reply is replaced by a newer one when it is asked for. */
export function receiptCard(receipt) {
  const content = h("div", { class: "stack" });
  const trouble = h("div");

  async function again() {
    try {
      receipt.reply = { ...receipt.reply, ...(await call("GET", ["erasures", receipt.reply.ErasureId])) };
      show();
    } catch (error) {
      fill(trouble, problem(error, again));
    }
  }

  function show() {
    const { reply } = receipt;
    const facts = [
      ["receipt.faces", number(reply.FaceCount, 0)],
      ["receipt.collection", reply.CollectionId],
      ["receipt.deleted", moment(reply.DeletedTimestamp)],
      ["receipt.scrubbed", reply.ScrubbedTimestamp ? moment(reply.ScrubbedTimestamp) : t("receipt.not-yet")],
      ["receipt.backups", reply.BackupsExpireTimestamp ? moment(reply.BackupsExpireTimestamp) : t("receipt.no-backups")],
      ["receipt.id", reply.ErasureId],
    ];
    fill(
      content,
      h("dl", { class: "receipt" }, facts.map(([words, value]) => h("div", {}, h("dt", {}, t(words)), h("dd", {}, value)))),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", onclick: () => save(JSON.stringify(reply, null, 2), `erasure-${reply.ErasureId}.json`, "application/json") }, sign("save"), t("receipt.download")),
        reply.State !== "scrubbed" && h("button", { type: "button", onclick: again }, t("receipt.again")),
      ),
      trouble,
    );
  }

  show();
  return h("section", { class: "card stack receipt-card" }, h("h2", { tabindex: "-1" }, t("receipt.title", { name: receipt.name })), content);
}
