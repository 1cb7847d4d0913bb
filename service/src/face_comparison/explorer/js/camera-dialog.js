/** A dialog that shows the camera and takes one photograph. Loaded when it is opened. */

import { ask, choice } from "./dialogs.js";
import { fill, h, sign } from "./dom.js";
import { t } from "./language.js";
import { closeCamera, obstacle, openCamera, problemOf, takeFrame } from "./checkin/camera.js";

const SIDE = 1920;

/** Resolves with the photograph as a file, null without one. */
export async function photograph() {
  const video = h("video", { playsInline: true, muted: true, "aria-label": t("desk.video") });
  const trouble = h("div", { role: "alert" });
  let [facing, taken] = ["user", null];
  const take = h("button", { type: "button", class: "main", disabled: true }, sign("camera"), t("camera.take"));
  const complain = (key) => {
    take.disabled = true;
    fill(trouble, h("p", { class: "other-text" }, t(key)));
  };
  const start = async () => {
    closeCamera(video);
    const blocked = obstacle();
    try {
      if (blocked) throw Object.assign(new Error(blocked), { name: blocked });
      await openCamera(video, { facing }, () => complain("desk.unplugged"));
      if (!video.isConnected) return closeCamera(video);
      video.classList.toggle("mirrored", facing === "user");
      take.disabled = false;
      fill(trouble);
    } catch (error) {
      complain(blocked ? `desk.${blocked}` : `desk.${problemOf(error)}`);
    }
    return undefined;
  };
  const turn = h("button", { type: "button", onclick: () => { facing = facing === "user" ? "environment" : "user"; start(); } }, t("desk.other-camera"));
  take.addEventListener("click", async () => {
    const { blob } = await takeFrame(video, SIDE);
    taken = Object.assign(new File([blob], "camera.jpg", { type: "image/jpeg" }), { made: true });
    video.closest("dialog").close();
  });
  const closed = ask(t("intake.camera"), [h("div", { class: "viewer" }, video), trouble], [choice("no", t("cancel")), turn, take]);
  await start();
  await closed;
  closeCamera(video);
  return taken;
}
