// What pages do better with JavaScript. All of them work without it. An element names what it wants:
// <p data-js="zone" data-zone="Europe/Berlin">.

const HEADERS = { "Kalends-Script": "1" };

const features = {
  // The page shows times in the zone of `data-zone`. Ask once for the reader's own, if that is another.
  zone(element) {
    const address = new URL(location.href);
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!own || own === element.dataset.zone || address.searchParams.has("zone")) return;
    address.searchParams.set("zone", own);
    location.replace(address);
  },

  // A menu closes on Escape, and when something else gets the focus.
  menu(element) {
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !element.open) return;
      element.open = false;
      element.querySelector("summary").focus();
    });
    element.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !element.contains(event.relatedTarget)) element.open = false;
    });
  },

  // A field that sends its form as soon as something else is chosen; its button is for those without JavaScript.
  // If the form has a button that only shows something, that one is pressed, and the focus stays at the field.
  submit(element) {
    element.addEventListener("change", () => {
      const shows = element.form.querySelector("button[name=show]");
      if (shows) shows.formAction = `${element.form.action}#${element.id}`;
      element.form.requestSubmit(shows);
    });
    for (const button of element.form.querySelectorAll("[data-without-js]")) button.hidden = true;
  },

  // What is of no use without JavaScript.
  print(button) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  },

  // What can be done for so many seconds only. If the focus is in it by then, it goes to the page.
  passing(element) {
    setTimeout(() => {
      if (element.contains(document.activeElement)) document.querySelector("main").focus();
      element.remove();
    }, element.dataset.seconds * 1000);
  },

  // A form that is sent once, however often somebody clicks.
  once(form) {
    form.addEventListener("submit", (event) => {
      if (form.hasAttribute("data-busy")) event.preventDefault();
      form.setAttribute("data-busy", "");
    });
  },

  // A form that stays as it is if nobody answers. What the server says of it takes the place of the page.
  send(form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (form.hasAttribute("data-busy")) return;
      const button = event.submitter;
      const body = new URLSearchParams(new FormData(form));
      if (button?.name) body.append(button.name, button.value);
      form.setAttribute("data-busy", "");
      button?.setAttribute("aria-disabled", "true");
      let stays = true;
      try {
        // Of a button without an address of its own, `formAction` is that of the page.
        const address = button?.hasAttribute("formaction") ? button.formAction : form.action;
        const answer = await fetch(address, { method: "POST", body, headers: HEADERS });
        if (answer.status === 204) {
          location.assign(answer.headers.get("Location"));
          return;
        }
        const page = parsed(await answer.text());
        stays = !page.querySelector("main") || (!answer.ok && !page.querySelector("#details"));
        if (!stays) show(page);
        else say([...page.querySelectorAll("main h1, main p")].map((each) => each.textContent), form.dataset.away);
      } catch {
        say([], form.dataset.away);
      } finally {
        if (stays) {
          form.removeAttribute("data-busy");
          button?.removeAttribute("aria-disabled");
        }
      }
    });
  },

  // How long a time is still kept. It is said aloud twice, and when it is over.
  countdown(element) {
    const end = performance.now() + element.dataset.seconds * 1000;
    const left = element.appendChild(document.createElement("span"));
    left.setAttribute("aria-hidden", "true");
    const spoken = new Set();
    const speak = (name) => spoken.has(name) || (spoken.add(name), announce(element.dataset[name]));
    if (element.dataset.seconds <= 120) spoken.add("soon");
    if (element.dataset.seconds <= 30) spoken.add("last");
    const tick = () => {
      if (!element.isConnected) return;
      const seconds = Math.ceil((end - performance.now()) / 1000);
      if (seconds <= 0) {
        element.textContent = element.dataset.over;
        speak("over");
        return;
      }
      const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      left.textContent = ` (${element.dataset.left.replace("{time}", clock)})`;
      if (seconds <= 30) speak("last");
      else if (seconds <= 120) speak("soon");
      setTimeout(tick, 1000);
    };
    tick();
  },

  // Another month or day takes the place of this one without loading the page again; the focus stays.
  calendar(element) {
    element.addEventListener("click", (event) => {
      const link = event.target.closest(".month a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      turn(element, link.href, link.id);
    });
  },

  // The days of a month are one stop of the Tab key. Arrows go to the days that have free time.
  grid(table) {
    const links = [...table.querySelectorAll("td > a")];
    const place = (link) => [link.closest("tr").rowIndex, link.closest("td").cellIndex];
    const stop = table.querySelector("[aria-selected] > a") ?? links[0];
    for (const link of links) link.tabIndex = link === stop ? 0 : -1;
    const forward = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = document.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
    const reach = (link) => {
      for (const each of links) each.tabIndex = each === link ? 0 : -1;
      link.focus();
    };
    const beside = (name, pick) => {
      const link = document.getElementById(name);
      if (link) turn(table.closest(".booking"), link.href, pick);
    };
    const next = {
      [forward]: (at) => links[at + 1],
      [back]: (at) => links[at - 1],
      ArrowDown: (at, row, column) => links.find((each) => place(each)[0] > row && place(each)[1] === column),
      ArrowUp: (at, row, column) => links.findLast((each) => place(each)[0] < row && place(each)[1] === column),
      Home: (at, row) => links.find((each) => place(each)[0] === row),
      End: (at, row) => links.findLast((each) => place(each)[0] === row),
    };
    // Where the focus goes among the days of the month beside this one.
    const picks = {
      [forward]: (days) => days[0],
      [back]: (days) => days.at(-1),
      ArrowDown: (days, column) => days.find((each) => place(each)[1] === column) ?? days[0],
      ArrowUp: (days, column) => days.findLast((each) => place(each)[1] === column) ?? days.at(-1),
      PageDown: (days, _, number) => days.findLast((each) => Number(each.textContent) <= number) ?? days[0],
    };
    picks.PageUp = picks.PageDown;
    const over = { [forward]: "later", ArrowDown: "later", PageDown: "later", [back]: "earlier", ArrowUp: "earlier", PageUp: "earlier" };
    table.addEventListener("keydown", (event) => {
      const at = links.indexOf(event.target);
      if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const link = next[event.key]?.(at, ...place(event.target));
      if (!link && !over[event.key]) return;
      event.preventDefault();
      if (link) return reach(link);
      const [, column] = place(event.target);
      const number = Number(event.target.textContent);
      beside(over[event.key], (days) => picks[event.key](days, column, number));
    });
  },
};

// A place for what is said aloud. It stays while the page around it changes.
const voice = document.body.appendChild(document.createElement("p"));
voice.className = "unseen";
voice.setAttribute("aria-live", "polite");
const announce = (text) => { voice.textContent = text; };

const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

// Load an address of the same page, and show its month and times. The focus goes to the element with the id, or
// to the day that `focus` picks.
let turning;
async function turn(element, href, focus, keep = true) {
  turning?.abort();
  turning = new AbortController();
  element.setAttribute("data-busy", "");
  try {
    const answer = await fetch(href, { signal: turning.signal });
    const page = parsed(await answer.text());
    const fresh = page.querySelector(".booking");
    if (!answer.ok || !fresh) {
      location.assign(href);
      return;
    }
    document.getElementById("alert")?.remove();
    element.replaceWith(document.importNode(fresh, true));
    if (keep) history.pushState(null, "", href);
    const shown = document.querySelector(".booking");
    start(shown);
    const days = [...shown.querySelectorAll(".grid a")];
    const picks = typeof focus === "function";
    const target = picks ? focus(days) : document.getElementById(focus);
    const stop = target ?? shown.querySelector("#earlier, #later, .grid a");
    if (days.includes(stop)) for (const day of days) day.tabIndex = day === stop ? 0 : -1;
    stop?.focus({ preventScroll: true });
    const chosen = !picks && focus.startsWith("d") && shown.querySelector("#day");
    announce((chosen || shown.querySelector("#month") || shown.querySelector("h1")).textContent);
    if (chosen) shown.querySelector(".times").scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (error.name === "AbortError") return;
    element.removeAttribute("data-busy");
    say([], element.dataset.away);
  }
}

// Show another page in place of this one.
function show(page) {
  document.title = page.title;
  document.querySelector("main").replaceWith(document.importNode(page.querySelector("main"), true));
  const main = document.querySelector("main");
  start(main);
  scrollTo(0, 0);
  (main.querySelector("#alert") ?? main).focus();
}

// Say on top of the page what went wrong, and leave the rest as it is.
function say(sentences, otherwise) {
  document.getElementById("alert")?.remove();
  const box = document.createElement("div");
  Object.assign(box, { id: "alert", className: "alert", tabIndex: -1 });
  box.setAttribute("role", "alert");
  for (const sentence of sentences.length ? sentences : [otherwise]) {
    box.appendChild(document.createElement("p")).textContent = sentence;
  }
  document.querySelector("main").prepend(box);
  box.focus();
}

function start(within) {
  for (const element of [within, ...within.querySelectorAll("[data-js]")]) {
    for (const name of (element.dataset?.js ?? "").split(" ")) features[name]?.(element);
  }
}

start(document);

// Going back through months and days that were shown in place of each other.
addEventListener("popstate", () => {
  const element = document.querySelector(".booking");
  if (element) turn(element, location.href, "month", false);
});

// Going back to a page that asked for the focus elsewhere, browsers do not repeat `autofocus`; and what was sent
// may be sent again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelector("#alert")?.focus();
  for (const form of document.querySelectorAll("form[data-busy]")) form.removeAttribute("data-busy");
  for (const button of document.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
});
