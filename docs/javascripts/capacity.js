/** The calculator of the page on capacity and cost: the same arithmetic as devtools.docs.capacity. Sends nothing. */
"use strict";

for (const form of document.querySelectorAll("form.capacity")) {
  const hours = Number(form.dataset.hours);
  const rented = Number(form.dataset.rented);
  const number = (name) => form.elements[name].valueAsNumber;
  const written = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

  const count = () => {
    const whole = form.checkValidity() && ["peak", "mean", "rate", "load", "minimum", "price"].every((name) => Number.isFinite(number(name)));
    const replicas = Math.max(number("minimum"), Math.ceil(number("peak") / ((number("rate") * number("load")) / 100)));
    const calls = ((number("peak") * number("mean")) / 100) * hours * 3600;
    const cost = replicas * number("price") * hours;
    const million = (cost / calls) * 1e6;
    const results = {
      replicas: written(replicas, 0),
      calls: `${written(calls / 1e6, 1)} million`,
      cost: written(cost, 0),
      million: written(million, 2),
      share: `${written((100 * million) / rented, 0)}%`,
    };
    for (const [name, text] of Object.entries(results)) form.elements[name].value = whole ? text : "";
  };

  form.addEventListener("input", count);
  form.addEventListener("submit", (event) => event.preventDefault());
  count();
}
