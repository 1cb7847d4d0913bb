// Sends the chosen images to this very service and shows its reply. Nothing is stored, and nothing goes elsewhere.
"use strict";

const element = (id) => document.getElementById(id);

function shortened(key, value) {
  return key === "face_hash" ? `${value.length} numbers` : value;
}

async function send(event) {
  event.preventDefault();
  const source = element("source").files[0];
  const target = element("target").files[0];
  const form = new FormData();
  form.append(target ? "source" : "img", source);
  if (target) form.append("target", target);
  const key = element("key").value;
  element("status").textContent = "Sending…";
  element("reply").textContent = "";
  try {
    const response = await fetch(target ? "face_comparison/compare" : "face_comparison", {
      method: "POST",
      body: form,
      headers: key ? { "x-api-key": key } : {},
    });
    const reply = await response.json();
    element("status").textContent = response.ok ? "Answered." : `Refused: ${reply.error.message}`;
    element("reply").textContent = JSON.stringify(reply, shortened, 2);
  } catch {
    element("status").textContent = "The service did not answer.";
  }
}

element("request").addEventListener("submit", send);
