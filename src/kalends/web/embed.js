// Shows a booking page on another site:
// <script src="https://book.example/embed.js" data-kalends="sun/tax" data-mode="button"></script>
// Every other data-attribute (data-lang, data-zone, data-theme, data-email …) is a parameter of the page.
(() => {
  const words = WORDS;
  const script = document.currentScript;
  const { kalends, mode, label, ...parameters } = script.dataset;
  const server = new URL(".", script.src);
  const known = (tag) => words[(tag || "").slice(0, 2).toLowerCase()];
  const said = known(parameters.lang) || known(document.documentElement.lang) || words.en;
  const title = label || said[0];
  // A page that knows no dark look gets none from us.
  const styled = getComputedStyle(document.documentElement).colorScheme;
  const scheme = styled === "normal" ? document.querySelector("meta[name=color-scheme]")?.content || "" : styled;
  if (!scheme.includes("light") || !scheme.includes("dark")) {
    parameters.theme ??= scheme.includes("dark") ? "dark" : "light";
  }

  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const page = (more) => {
    const address = new URL(kalends, server);
    address.search = new URLSearchParams({ ...parameters, ...more });
    return address.href;
  };

  const frame = make("iframe", { title, width: "100%", height: "600", frameBorder: "0", loading: "lazy" });
  // Until the page has spoken, it may be that it does not show here: then there is a link to it.
  const link = make("a", { href: page(), target: "_blank", rel: "noopener" }, title);
  const box = make("div", { className: "kalends" }, frame, make("p", {}, link));
  let close = () => {};

  addEventListener("message", ({ origin, source, data }) => {
    if (origin !== server.origin || source !== frame.contentWindow) return;
    switch (data?.kalends) {
      case "height":
        link.parentElement.hidden = true;
        frame.height = Math.min(Math.max(Math.ceil(data.height) || 0, 100), 20000);
        if (data.arrived && frame.getBoundingClientRect().top < 0) frame.scrollIntoView();
        break;
      case "booked":
        box.dispatchEvent(new CustomEvent("kalends:booked", { bubbles: true, detail: { id: data.id } }));
        break;
      case "escape":
        close();
    }
  });

  if (mode !== "button") {
    frame.src = page({ embed: "1" });
    script.after(box);
    return;
  }
  const shut = make("button", { type: "button", ariaLabel: said[1] }, "✕");
  const dialog = make("dialog", { className: "kalends-dialog", ariaLabel: title }, shut, box);
  const button = make("button", { type: "button", className: "kalends-button" }, title);
  // In pixels: a dialog is as wide as what is in it, and what is in it can't be as wide as the dialog.
  const fit = () => (frame.width = Math.min(innerWidth - 72, 960));
  close = () => dialog.close();
  shut.addEventListener("click", close);
  button.addEventListener("click", () => {
    fit();
    frame.src ||= page({ embed: "1" });
    dialog.showModal();
  });
  addEventListener("resize", fit);
  script.after(button, dialog);
})();
