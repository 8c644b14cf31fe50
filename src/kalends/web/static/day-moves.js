// Moving an appointment: the form of its page is sent. What the server says of it is shown in a dialog if it
// refuses, and can be undone for a while if it doesn't.

import { HEADERS, day, later, named, parsed, say, words } from "./day-grid.js";
import { hold, refresh, release } from "./day-live.js";

const LONG_ENOUGH = 10_000;
let sending = false;
export const isSending = () => sending;

// Move what a line shows to another place in the day: `{ column, at, lasts }`, of which each may be as it was.
export async function move(line, from, to, time) {
  const { version, start, minutes } = line.dataset;
  const [own, other] = [from.column.dataset.calendar, to.column.dataset.calendar];
  const wish = {
    version,
    instead: later(start, to.at - from.at),
    from_calendar: own,
    to_calendar: other,
    minutes: Number(minutes) + to.lasts - from.lasts,
  };
  const undo = { instead: start, from_calendar: other, to_calendar: own, minutes };
  const who = line.querySelector("strong").textContent;
  const told = (time) => words("moved", { who, time, calendar: named(to.column) });
  await send(line.querySelector("a"), wish, told, time, undo);
}

async function send(link, wish, told, time, undo) {
  sending = true;
  hold();
  forget();
  const address = new URL(link.href);
  address.pathname += "/move";
  let refused;
  try {
    const body = new URLSearchParams(wish);
    const answer = await fetch(address, { method: "POST", body, headers: HEADERS });
    if (answer.status !== 204) refused = parsed(await answer.text());
  } catch {
    refused = parsed("");
  }
  await refresh(true).catch(() => {});
  sending = false;
  release();
  if (refused) return explain(refused, (more, instead) => send(link, { ...wish, ...more }, told, instead ?? time, undo));
  say(undo ? `${told(time)} ${words("undo")}: Ctrl+Z` : told(time));
  if (undo) offer(told(time), async () => {
    if (day.hasAttribute("data-moving")) return;
    const version = lineOf(link)?.dataset.version ?? Number(wish.version) + 1;
    await send(link, { ...undo, version }, () => words("undone"));
    lineOf(link)?.querySelector("a").focus();
  });
}

// The line as it is now of what another one showed.
const lineOf = (link) => day.querySelector(`.line[data-id="${CSS.escape(link.closest(".line").dataset.id)}"]`);

// Say why something was refused, and what can be had instead, as the server's page does.
function explain(page, again) {
  const dialog = document.querySelector("main").appendChild(document.createElement("dialog"));
  const box = page.querySelector("#alert");
  const sentences = [...(box?.childNodes ?? page.querySelectorAll("main h1, main p"))];
  for (const each of sentences) dialog.append(document.importNode(each, true));
  if (!dialog.querySelector("h1, h2")) {
    const title = dialog.appendChild(document.createElement("h2"));
    title.textContent = words("away");
  }
  dialog.querySelector("h1, h2").id = "refused";
  dialog.setAttribute("aria-labelledby", "refused");
  for (const link of dialog.querySelectorAll("a[href^='#']")) link.replaceWith(...link.childNodes);
  for (const button of dialog.querySelectorAll("button")) {
    button.removeAttribute("form");
    button.addEventListener("click", () => {
      dialog.close();
      again(button.name && { [button.name]: button.value }, button.name === "instead" ? button.textContent : undefined);
    });
  }
  const row = dialog.appendChild(document.createElement("p"));
  row.append(button("close", "button plain", () => dialog.close()));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

function button(name, look, pressed) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", className: look, textContent: words(name) });
  made.addEventListener("click", pressed);
  return made;
}

// For a while, and as long as it is pointed at, a move can be undone.
let toast;
let timer;
const forget = () => {
  clearTimeout(timer);
  toast?.remove();
  toast = undefined;
};

function offer(told, undo) {
  forget();
  toast = document.querySelector("main").appendChild(document.createElement("div"));
  toast.className = "toast";
  toast.setAttribute("role", "group");
  toast.setAttribute("aria-label", words("undo"));
  toast.appendChild(document.createElement("p")).textContent = told;
  toast.append(button("undo", "button plain", undo));
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(forget, LONG_ENOUGH);
  };
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, () => clearTimeout(timer));
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, wait);
  wait();
}

addEventListener("keydown", (event) => {
  if (!toast || event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.target.matches("input, textarea")) return;
  event.preventDefault();
  toast.querySelector("button").click();
});
