// What pages do better with JavaScript. All of them work without it. An element names what it wants:
// <p data-js="zone" data-zone="Europe/Berlin">.

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
  submit(element) {
    element.addEventListener("change", () => element.form.requestSubmit());
    for (const button of element.form.querySelectorAll("[data-without-js]")) button.hidden = true;
  },
};

for (const element of document.querySelectorAll("[data-js]")) {
  for (const name of element.dataset.js.split(" ")) features[name]?.(element);
}

// Going back to a page that asked for the focus elsewhere, browsers do not repeat `autofocus`.
addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelector("#alert")?.focus();
});
