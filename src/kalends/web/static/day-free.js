// Free time: one link, which is moved to wherever somebody points, goes by arrows, and is drawn as long as it is to be.

import { LONG_PRESS, SLIP, SNAP, beside, clock, columns, day, forward, isDrawn, isInside, isPlain, lanes, later, minutesAt, named, put, say, shown, snapped, words } from "./day-grid.js";
import { hold, release } from "./day-live.js";

const cursor = document.createElement("a");
cursor.className = "cursor";
// Without a length of its own (`lasts`), a booking is as long as its type.
const place = { column: undefined, at: 0, lasts: 0 };

function aim(column, at, lasts = 0) {
  const { href } = column.querySelector(".add");
  const address = new URL(href);
  const length = Math.min(lasts, shown() - at);
  address.searchParams.set("start", later(day.dataset.first, at));
  if (length) address.searchParams.set("minutes", length);
  Object.assign(place, { column, at, lasts: length });
  cursor.href = address;
  cursor.textContent = length ? [clock(at), clock(at + length)].filter(Boolean).join(" – ") : clock(at);
  cursor.setAttribute("aria-label", words("book", { time: cursor.textContent, calendar: named(column) }));
  put(cursor, at, length || SNAP);
  if (cursor.parentNode !== lanes(column)) lanes(column).append(cursor);
}

// What of a day a pointer is over, if nothing is there.
function emptyAt({ target, clientY }) {
  const column = target.closest?.(".lanes")?.closest(".column:has(.add)");
  if (!column || !isDrawn() || day.hasAttribute("data-moving") || target.closest(".line:not(.closed)")) return undefined;
  const at = Math.floor(minutesAt(column, clientY) / SNAP) * SNAP;
  return [column, Math.max(0, Math.min(at, shown() - SNAP))];
}

function point(event) {
  const where = emptyAt(event);
  cursor.classList.toggle("pointed", Boolean(where));
  if (!where || document.activeElement === cursor) return;
  if (place.column !== where[0] || place.at !== where[1] || place.lasts) aim(...where);
}

// Where the pointer was pressed on free time, and whether a length is being drawn from there.
let free;
const press = (target, { clientX, clientY }) => {
  const where = emptyAt({ target, clientY });
  free = where && { where, clientX, clientY };
};
const slips = ({ clientX, clientY }) => Math.hypot(clientX - free.clientX, clientY - free.clientY) > SLIP;

function begin() {
  Object.assign(free, { draws: true, isInside: true });
  hold();
  day.dataset.moving = "length";
  cursor.classList.add("pointed");
  aim(...free.where);
}

function draw(pointer) {
  const [column, from] = free.where;
  free.isInside = isInside(pointer);
  cursor.classList.toggle("pointed", free.isInside);
  const to = minutesAt(column, pointer.clientY);
  const at = Math.max(0, Math.min(from, Math.floor(to / SNAP) * SNAP));
  const end = Math.max(from + SNAP, Math.ceil(to / SNAP) * SNAP);
  aim(column, at, Math.min(end, shown()) - at);
}

// Stop drawing. Returns whether there is something to be booked.
function stop() {
  const isDrawn = Boolean(free?.draws);
  const isMeant = isDrawn && free.isInside;
  free = undefined;
  if (isDrawn) {
    day.removeAttribute("data-moving");
    cursor.classList.toggle("pointed", isMeant);
    if (!isMeant) aim(place.column, place.at);
    release();
  }
  return isMeant;
}

day.addEventListener("pointerdown", (event) => {
  stop();
  if (event.pointerType === "touch" || event.button || event.shiftKey || !isPlain(event)) return;
  press(event.target, event);
});
addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return;
  if (!event.buttons) stop();
  if (!free) return point(event);
  if (!free.draws && slips(event)) {
    day.setPointerCapture(event.pointerId);
    begin();
  }
  if (free.draws) draw(event);
});
addEventListener("pointerup", (event) => {
  if (event.pointerType !== "touch" && free?.draws && stop()) cursor.click();
});
for (const name of ["pointercancel", "blur"]) addEventListener(name, stop);
addEventListener("keydown", (event) => event.key === "Escape" && free?.draws && stop());
// Where the mouse was pressed counts, and not where it is let go.
day.addEventListener("click", (event) => {
  if (!emptyAt(event) || !free || !isPlain(event) || event.target.closest("a")) return;
  aim(...free.where);
  cursor.click();
});

// A finger that stays draws; one that moves at once scrolls.
let timer;
day.addEventListener("touchstart", (event) => {
  clearTimeout(timer);
  stop();
  if (event.touches.length > 1) return;
  press(event.target, event.touches[0]);
  if (free) timer = setTimeout(begin, LONG_PRESS);
}, { passive: true });
day.addEventListener("touchmove", (event) => {
  if (!free) return;
  const [finger] = event.touches;
  if (free.draws) {
    if (event.cancelable) event.preventDefault();
    if (slips(finger)) draw(finger);
  } else if (slips(finger)) {
    clearTimeout(timer);
    free = undefined;
  }
}, { passive: false });
day.addEventListener("touchend", (event) => {
  clearTimeout(timer);
  if (!free?.draws) return;
  if (event.cancelable) event.preventDefault();
  if (stop()) cursor.click();
});
day.addEventListener("touchcancel", () => {
  clearTimeout(timer);
  stop();
});
day.addEventListener("contextmenu", (event) => free?.draws && event.preventDefault());

cursor.addEventListener("keydown", (event) => {
  const { column, at, lasts } = place;
  const back = forward() === "ArrowRight" ? "ArrowLeft" : "ArrowRight";
  const by = { ArrowDown: SNAP, ArrowUp: -SNAP }[event.key];
  const next = {
    ArrowDown: [column, at + SNAP], ArrowUp: [column, at - SNAP],
    PageDown: [column, at + 4 * SNAP], PageUp: [column, at - 4 * SNAP],
    Home: [column, 0], End: [column, shown()],
    [forward()]: [beside(column, 1), at], [back]: [beside(column, -1), at],
    Escape: lasts && [column, at],
  }[event.key];
  if (!next || !isPlain(event)) return;
  event.preventDefault();
  if (event.shiftKey && by) aim(column, at, Math.max(SNAP, (lasts || SNAP) + by));
  else aim(next[0], snapped(next[1]), event.key === "Escape" ? 0 : lasts);
  cursor.focus();
  cursor.scrollIntoView({ block: "nearest", inline: "nearest" });
  say(cursor.getAttribute("aria-label"));
});

// A column may have been shown anew.
function settle(event) {
  const known = columns();
  const column = known.find((each) => each.dataset.calendar === place.column?.dataset.calendar) ?? known[0];
  if (column) aim(column, snapped(place.at), place.lasts);
  else cursor.remove();
  if (event?.detail.onFreeTime) cursor.focus({ preventScroll: true });
}
export function offerFreeTime() {
  day.addEventListener("fresh", settle);
  if (shown()) settle();
}
