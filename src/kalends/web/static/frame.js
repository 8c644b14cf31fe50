// Only where a page is part of another site's page: tells that page how high this one is, what was booked, and that
// Escape was pressed. It is told to nobody but the sites that the organization has named.

const listed = document.querySelector("script[data-origins]").dataset.origins.split(" ");
const [above] = location.ancestorOrigins ?? [];
const origins = above ? listed.filter((each) => each === above) : listed;
const told = new Set();

function tell(message) {
  for (const origin of origins) parent.postMessage(message, origin);
}

// Another page than before, of which the reader should see the beginning.
let arrived = false;
try {
  const before = new URL(document.referrer);
  arrived = before.origin === location.origin && before.pathname !== location.pathname;
} catch {
  // There was none before.
}

function look() {
  tell({ kalends: "height", height: document.body.getBoundingClientRect().height, arrived });
  arrived = false;
  for (const { dataset } of document.querySelectorAll('[data-js~="booked"]')) {
    if (told.has(dataset.id)) continue;
    told.add(dataset.id);
    tell({ kalends: "booked", id: dataset.id });
  }
}

if (parent !== window) {
  new ResizeObserver(look).observe(document.body);
  const escape = (event) => {
    if (event.key === "Escape" && !event.target.closest?.("details[open]")) tell({ kalends: "escape" });
  };
  addEventListener("keydown", escape, { capture: true });
}
