// The day as it is now: what others change appears by itself, and the line of the present moves.

import { day, parsed, put, shown } from "./day-grid.js";

const EVERY = 12_000;
// What tells nothing when it changes, such as times that are kept for clients, is looked at more rarely.
const IN_ANY_CASE = 25;

// While something is being moved, nothing changes beneath it.
let held = false;
let missed = false;
export function hold() { held = true; }
export function release() {
  held = false;
  if (missed) refresh().catch(() => {});
}

const plain = (column) => {
  const copy = column.cloneNode(true);
  copy.querySelector(".now-line")?.remove();
  return copy.outerHTML;
};
const all = (within) => [...within.querySelectorAll(".column")];
// The columns as the server sent them, by their calendars.
const sent = new Map(all(day).map((column) => [column.dataset.calendar, plain(column)]));
let now = present(day);

function present(within) {
  return { at: Number(within.querySelector(".now-line")?.dataset.at), since: performance.now() };
}

// Read the day, and show what is new of it; while something is held only if it must be. What has the focus keeps it.
export async function refresh(must = false) {
  missed = held && !must;
  if (missed) return;
  const answer = await fetch(day.dataset.address);
  const fresh = parsed(await answer.text()).querySelector(".day");
  missed = held && !must;
  if (missed || !answer.ok || answer.redirected || !fresh) return;
  const focused = document.activeElement.closest(".column a:not(.cursor)");
  const onFreeTime = document.activeElement.matches(".cursor");
  const [column, link] = [focused?.closest(".column").dataset.calendar, focused?.getAttribute("href")];
  now = present(fresh);
  for (const name of fresh.getAttributeNames()) day.setAttribute(name, fresh.getAttribute(name));
  const [before, after] = [all(day), all(fresh)];
  day.querySelector(".hours").replaceWith(fresh.querySelector(".hours"));
  const calendars = (columns) => columns.map((each) => each.dataset.calendar).join();
  if (calendars(before) === calendars(after)) after.forEach((each, at) => swap(before[at], each));
  else {
    day.replaceChildren(day.querySelector(".hours"), ...after);
    after.forEach((each) => sent.set(each.dataset.calendar, plain(each)));
  }
  tick();
  if (focused && !focused.isConnected) {
    const again = [...day.querySelectorAll(".column a")].filter((each) => each.getAttribute("href") === link);
    const same = again.find((each) => each.closest(".column").dataset.calendar === column);
    (same ?? again[0] ?? day).focus({ preventScroll: true });
  }
  day.dispatchEvent(new CustomEvent("fresh", { detail: { onFreeTime } }));
}

function swap(before, after) {
  const next = plain(after);
  if (sent.get(after.dataset.calendar) === next) return;
  sent.set(after.dataset.calendar, next);
  before.replaceWith(after);
}

function tick() {
  const at = now.at + Math.floor((performance.now() - now.since) / 60_000);
  for (const line of day.querySelectorAll(".now-line")) {
    if (at < shown()) put(line, at, 0);
    else line.remove();
  }
}

let looks = 0;
async function look() {
  if (document.hidden) return;
  tick();
  if (held) return;
  const address = new URL(day.dataset.changes, location);
  address.searchParams.set("after", day.dataset.after);
  const answer = await fetch(address);
  if (answer.redirected) clearInterval(looking);  // nobody is signed in any more
  else if (answer.status === 200) {
    const { after, days } = await answer.json();
    if (!days || days.includes(day.dataset.date)) await refresh();
    else day.dataset.after = after;
  } else if (++looks % IN_ANY_CASE === 0) await refresh();
}

// If the server is away, it is asked again.
const patiently = () => look().catch(() => {});
const looking = setInterval(patiently, EVERY);
document.addEventListener("visibilitychange", patiently);
