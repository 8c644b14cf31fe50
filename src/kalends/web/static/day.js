// The day of staff with a mouse, fingers and keys. Everything here can be done by the pages that its links lead to.

import { SLIP, SNAP, LONG_PRESS, beside, clock, columnAt, day, forward, isDrawn, isInside, isPlain, lanes, minutesAt, named, put, say, shown, snapped, words } from "./day-grid.js";
import { offerFreeTime } from "./day-free.js";
import { hold, release } from "./day-live.js";
import { isSending, move } from "./day-moves.js";

const [THRESHOLD, EDGE, GRIP] = [4, 40, 8];
const lineOf = (element) => isDrawn() && element.closest(".line[data-id]");
const keys = document.querySelector(".keys");

// What is being moved: its line, where it was, where it is to be, and the ghost that shows that.
let going;

function lift(line, more = {}) {
  const { at, lasts } = line.dataset;
  const from = { column: line.closest(".column"), at: Number(at), lasts: Number(lasts) };
  const ghost = document.createElement("div");
  ghost.className = "ghost";
  ghost.setAttribute("aria-hidden", "true");
  ghost.append(...[...line.firstElementChild.childNodes].map((each) => each.cloneNode(true)));
  const time = line.querySelector(".line-time").textContent;
  going = { line, from, to: { ...from }, ghost, time, ...more };
  line.classList.add("lifted");
  day.toggleAttribute("data-moving", true);
  hold();
  show();
}

function show() {
  const { ghost, from, to, time } = going;
  if (ghost.parentNode !== lanes(to.column)) lanes(to.column).append(ghost);
  put(ghost, to.at, to.lasts);
  const [begin, end] = [to.at === from.at ? time.split(" – ")[0] : clock(to.at), clock(to.at + to.lasts)];
  const isSame = to.at === from.at && to.lasts === from.lasts;
  ghost.querySelector(".line-time").textContent = isSame ? time : end ? `${begin} – ${end}` : begin;
}

function stop() {
  const { ghost, line } = going;
  going = undefined;
  day.toggleAttribute("data-moving", false);
  return () => {
    ghost.remove();
    line.classList.remove("lifted");
  };
}

const keep = () => {
  stop()();
  release();
  say(words("kept"));
};

// What was dropped lies where it is to be until the server has said how it stands.
async function drop() {
  const { line, from, to } = going;
  if (to.column === from.column && to.at === from.at && to.lasts === from.lasts) return keep();
  const time = going.ghost.querySelector(".line-time").textContent;
  const putBack = stop();
  try {
    await move(line, from, to, time);
  } finally {
    putBack();
  }
}

const near = (one, other) => Math.abs(one - other) < SNAP / 2;

// With a pointer, which may be a finger. Outside of the day, it is where it was.
function follow({ clientX: x, clientY: y }) {
  going.pointer = { clientX: x, clientY: y };
  const { from, to, grab, resizes } = going;
  if (!isInside(going.pointer)) Object.assign(to, from);
  else if (resizes) {
    const end = minutesAt(from.column, y) - grab.end - from.at;
    to.lasts = near(end, from.lasts) ? from.lasts : Math.max(SNAP, snapped(end + from.at - SNAP) + SNAP - from.at);
  } else {
    to.column = columnAt(x, from.column);
    const at = minutesAt(to.column, y) - grab.start;
    // Sideways, the time stays as it is.
    to.at = near(at, from.at) ? from.at : snapped(at);
  }
  show();
}

function grasp(line, { clientX, clientY }, depth) {
  const box = line.getBoundingClientRect();
  const [column, { at, lasts }] = [line.closest(".column"), line.dataset];
  const end = Number(at) + Number(lasts);
  const minute = minutesAt(column, clientY);
  const resizes = clientY > box.bottom - Math.min(depth, box.height / 3) && end <= shown();
  const grab = { x: clientX, y: clientY, start: minute - Number(at), end: minute - end };
  lift(line, { grab, resizes });
  day.dataset.moving = resizes ? "length" : "place";
  follow({ clientX, clientY });
  requestAnimationFrame(scroll);
}

// At the edges of the window, what is out of sight comes towards a pointer that went there.
function scroll() {
  if (!going?.pointer) return;
  const { pointer: { clientX: x, clientY: y }, grab } = going;
  const box = day.getBoundingClientRect();
  const past = (at, from, least, most) => (at > most - EDGE && at > from + SLIP) - (at < least + EDGE && at < from - SLIP);
  const down = past(y, grab.y, 0, innerHeight);
  const aside = past(x, grab.x, Math.max(box.left, 0), Math.min(box.right, innerWidth));
  if (down || aside) {
    scrollBy(0, down * 12);
    day.scrollBy(aside * 12, 0);
    follow(going.pointer);
  }
  requestAnimationFrame(scroll);
}

let pressed;
let swallows = false;
day.addEventListener("pointerdown", (event) => {
  const line = lineOf(event.target);
  if (!line || event.pointerType === "touch" || event.button || event.shiftKey || !isPlain(event)) return;
  if (!going && !isSending()) pressed = { line, event };
});
addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return;
  // The button was let go where nobody could tell.
  if (pressed && !event.buttons) giveUp();
  if (pressed?.isOver) return;
  if (pressed && !going) {
    const { line, event: { clientX, clientY } } = pressed;
    if (Math.hypot(event.clientX - clientX, event.clientY - clientY) <= THRESHOLD) return;
    day.setPointerCapture(event.pointerId);
    grasp(line, { clientX, clientY }, GRIP);
  }
  if (pressed && going?.pointer) follow(event);
});
addEventListener("pointerup", (event) => {
  if (event.pointerType === "touch" || !pressed) return;
  // The click that comes after a drag is none.
  swallows = Boolean(going?.pointer || pressed.isOver);
  setTimeout(() => { swallows = false; });
  pressed = undefined;
  if (going?.pointer) drop();
});
function giveUp() {
  pressed = undefined;
  if (going?.pointer) keep();
}
addEventListener("pointercancel", (event) => event.pointerType === "touch" || !pressed || giveUp());
addEventListener("blur", () => {
  lose();
  giveUp();
});
day.addEventListener("dragstart", (event) => lineOf(event.target) && event.preventDefault());
// The second click of two was meant for what the first made vanish, such as "Undo".
let before;
const isSecond = ({ detail, timeStamp }) => detail > 0 && before && !before.target.isConnected && timeStamp - before.timeStamp < 500;
addEventListener("click", (event) => {
  const meansAnother = swallows || isSecond(event);
  before = event;
  if (!meansAnother) return;
  event.preventDefault();
  event.stopPropagation();
}, { capture: true });

let touched;
const lose = () => {
  clearTimeout(touched?.timer);
  touched = undefined;
};
day.addEventListener("touchstart", (event) => {
  lose();
  if (going?.pointer) return keep();
  const line = lineOf(event.target);
  if (!line || event.touches.length > 1 || going || isSending()) return;
  const [{ clientX, clientY }] = event.touches;
  touched = { clientX, clientY, timer: setTimeout(() => grasp(line, touched, 2 * GRIP), LONG_PRESS) };
}, { passive: true });
day.addEventListener("touchmove", (event) => {
  if (!touched) return;
  const [finger] = event.touches;
  if (going) {
    if (event.cancelable) event.preventDefault();
    follow(finger);
  } else if (Math.hypot(finger.clientX - touched.clientX, finger.clientY - touched.clientY) > SLIP) lose();
}, { passive: false });
day.addEventListener("touchend", (event) => {
  if (touched && going) {
    if (event.cancelable) event.preventDefault();
    drop();
  }
  lose();
});
day.addEventListener("touchcancel", () => {
  if (touched && going) keep();
  lose();
});
day.addEventListener("contextmenu", (event) => touched && event.preventDefault());

// With keys. The focus stays where it is; what moves is said.
function step(event) {
  const { to } = going;
  const sideways = { ArrowLeft: 1, ArrowRight: 1 }[event.key];
  const by = event.key === forward() || event.key === "ArrowDown" ? 1 : -1;
  const next = (minutes) => (by > 0 ? Math.floor(minutes / SNAP) + 1 : Math.ceil(minutes / SNAP) - 1) * SNAP;
  if (sideways) to.column = beside(to.column, by);
  else if (event.shiftKey) to.lasts = Math.min(Math.max(SNAP, next(to.at + to.lasts) - to.at), Math.max(to.lasts, shown() - to.at));
  else to.at = snapped(next(to.at));
  show();
  going.ghost.scrollIntoView({ block: "nearest", inline: "nearest" });
  const time = going.ghost.querySelector(".line-time").textContent;
  say(`${time}, ${named(to.column)}`);
}

day.addEventListener("keydown", (event) => {
  if (!isPlain(event)) return;
  if (event.key === "?" && keys) {
    keys.open = true;
    keys.querySelector("summary").focus();
    event.preventDefault();
  }
  if (going && !going.pointer) {
    if (event.key.startsWith("Arrow")) step(event);
    else if (event.key === "Enter") drop();
    else if (event.key === "Escape") keep();
    else return;
    event.preventDefault();
    return;
  }
  const line = lineOf(event.target);
  // Of a key that is held down, the first stroke counts.
  if (line && isSending() && event.key === "Enter") event.preventDefault();
  if (line && event.key.toLowerCase() === "m" && !going && !isSending()) {
    lift(line);
    say(words("lifted", { who: line.querySelector("strong").textContent }));
    event.preventDefault();
  }
});
day.addEventListener("focusout", () => going && !going.pointer && keep());
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !going?.pointer) return;
  if (pressed) pressed.isOver = true;
  lose();
  keep();
});

offerFreeTime();
if (keys) keys.hidden = false;
