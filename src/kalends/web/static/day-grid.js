// Where things lie in a day: in the column of a calendar, so many minutes after the first one that is shown. Clocks
// and zones are the server's: what they show at every quarter of an hour is in the page.

export const SNAP = 15;
// By so many pixels a pointer may slip that is meant to stay, and so many milliseconds a finger stays.
export const [SLIP, LONG_PRESS] = [10, 400];
export const day = document.querySelector(".day");
export const HEADERS = { "Kalends-Script": "1", Accept: "text/html" };
export const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

// On a small screen the day is a list, in which nothing has a place.
const wide = matchMedia("screen and (width >= 46rem)");
export const isDrawn = () => wide.matches;

export const shown = () => Number(day.dataset.minutes);
const within = (least, number, most) => Math.max(least, Math.min(number, most));
export const snapped = (minutes) => within(0, Math.round(minutes / SNAP) * SNAP, shown() - SNAP);
export const clock = (at) => day.querySelector(".hours").dataset.quarters.split("|")[at / SNAP];
// An instant that is so many minutes away from another: how much time passes is the same in every zone.
export const later = (instant, minutes) => new Date(Date.parse(instant) + minutes * 60_000).toISOString();

export const lanes = (column) => column.querySelector(".lanes");
export const named = (column) => column.querySelector("h2").textContent.trim();
// The columns in which something can be booked.
export const columns = () => [...day.querySelectorAll(".column:has(.add)")];
export const beside = (column, by) => columns()[columns().indexOf(column) + by] ?? column;

// Put an element of a column where it belongs.
export function put(element, at, lasts) {
  const from = within(0, at, shown());
  const length = Math.max(within(0, at + lasts, shown()) - from, SNAP);
  const places = [...element.classList].filter((name) => /^(at|for)-/.test(name));
  element.classList.remove(...places);
  const hours = (name, minutes) => [`${name}-${Math.floor(minutes / 60)}h`, `${name}-${minutes % 60}m`];
  element.classList.add(...hours("at", from), ...hours("for", length));
}

// How many minutes lie between the top of a column and a height on the screen.
export function minutesAt(column, y) {
  const box = lanes(column).getBoundingClientRect();
  return ((y - box.top) / box.height) * shown();
}

// The column below a place on the screen, or the nearest one; `own` is always among them.
export function columnAt(x, own) {
  const far = (column) => {
    const box = column.getBoundingClientRect();
    return Math.max(box.left - x, x - box.right, 0);
  };
  return columns().reduce((best, each) => (far(each) < far(best) ? each : best), own);
}

// Whether a pointer is over the day, as far as that is in sight.
export function isInside({ clientX: x, clientY: y }) {
  const box = day.getBoundingClientRect();
  const within = (at, first, last, most) => at >= Math.max(first, 0) && at <= Math.min(last, most);
  return within(x, box.left, box.right, innerWidth) && within(y, box.top, box.bottom, innerHeight);
}

export const isPlain = (event) => !(event.ctrlKey || event.metaKey || event.altKey);
export const forward = () => (document.dir === "rtl" ? "ArrowLeft" : "ArrowRight");

// What is said aloud.
const voice = document.querySelector("main").appendChild(document.createElement("p"));
voice.className = "unseen";
voice.setAttribute("aria-live", "assertive");
export const say = (text) => { voice.textContent = text; };
export const words = (name, filled = {}) =>
  Object.entries(filled).reduce((text, [key, value]) => text.replace(`{${key}}`, value), day.dataset[name]);
