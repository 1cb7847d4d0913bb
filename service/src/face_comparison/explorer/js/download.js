/** Results as files. Rows in, text out, but for the last function. */

import { h, save, sign } from "./dom.js";
import { t } from "./language.js";

/** CSV by RFC 4180. A value that a spreadsheet would run as a formula is kept as text. */
export function csv(head, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Two buttons. name: of the files without suffix; reply: for JSON; table: a function that returns {head, rows} for CSV. */
export function downloads(name, reply, table) {
  const json = () => save(JSON.stringify(reply, null, 2), `${name}.json`, "application/json");
  const sheet = () => {
    const { head, rows } = table();
    save(`\ufeff${csv(head, rows)}`, `${name}.csv`, "text/csv"); // with the mark by which spreadsheets know UTF-8
  };
  const button = (kind, save_) => h("button", { type: "button", class: "small", "aria-label": t("download.label", { kind }), onclick: save_ }, sign("save"), kind);
  return h("span", { class: "row" }, button("JSON", json), button("CSV", sheet));
}
