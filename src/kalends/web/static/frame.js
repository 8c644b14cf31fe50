// Only where a page is part of another site's page: tells that page how high this one is, what was booked, and that
// Escape was pressed. It is told to nobody but the sites that the organization has named.

const listed = document.querySelector("script[data-origins]").dataset.origins.split(" ");
const [above] = location.ancestorOrigins ?? [];
const origins = above ? listed.filter((each) => each === above) : listed;
const booked = new Set();
let [title, height, arrived] = [document.title, 0, isAnother(document.referrer)];

// Whether the address before this one was that of another page, so that the reader should see the beginning of this.
function isAnother(before) {
  const address = URL.canParse?.(before) && new URL(before);
  return Boolean(address) && address.origin === location.origin && address.pathname !== location.pathname;
}

function tell(message) {
  for (const origin of origins) parent.postMessage(message, origin);
}

// `book.js` shows one page in place of another: then its title is another, too.
function look() {
  arrived ||= document.title !== title;
  const now = document.body.getBoundingClientRect().height;
  if (now !== height || arrived) tell({ kalends: "height", height: now, arrived });
  [title, height, arrived] = [document.title, now, false];
  for (const { dataset } of document.querySelectorAll('[data-js~="booked"]')) {
    if (!booked.has(dataset.id)) tell({ kalends: "booked", id: dataset.id });
    booked.add(dataset.id);
  }
}

if (parent !== window) {
  new ResizeObserver(look).observe(document.body);
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  const escape = (event) => {
    if (event.key === "Escape" && !event.target.closest?.("details[open]")) tell({ kalends: "escape" });
  };
  addEventListener("keydown", escape, { capture: true });
}
