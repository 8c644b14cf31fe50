// Forms with `data-passkey` have the browser make a passkey, or show one, and send what it answers. They are hidden
// until it is clear that it can: the page has to be at `data-origin`, where passkeys are good.

const decoded = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const ways = {
  create: (options) => PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? parsed(options),
  get: (options) => PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? parsed(options),
};

// For browsers that can't read options themselves.
function parsed(options) {
  const named = (each) => ({ ...each, id: decoded(each.id) });
  const found = { ...options, challenge: decoded(options.challenge) };
  if (options.user) found.user = named(options.user);
  for (const name of ["excludeCredentials", "allowCredentials"]) {
    if (options[name]) found[name] = options[name].map(named);
  }
  return found;
}

// The same for what they answer.
function written(credential) {
  if (credential.toJSON) return credential.toJSON();
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = encoded(credential.response[name]);
  }
  return { id: credential.id, rawId: encoded(credential.rawId), type: credential.type, response };
}

async function answer(form) {
  const fields = new URLSearchParams(new FormData(form));
  const asked = await fetch(form.dataset.options, { method: "POST", body: fields, headers: { Accept: "application/json" } });
  if (!asked.ok) throw new Error(asked.status === 400 ? form.dataset.password : "");
  const publicKey = ways[form.dataset.passkey](await asked.json());
  return JSON.stringify(written(await navigator.credentials[form.dataset.passkey]({ publicKey })));
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential || location.origin !== form.dataset.origin) continue;
  form.hidden = false;
  document.querySelector("[data-without-passkey]")?.remove();
  const problem = form.querySelector("[role=alert]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.hasAttribute("data-busy")) return;
    form.setAttribute("data-busy", "");
    problem.textContent = "";
    try {
      form.elements.answer.value = await answer(form);
      form.submit();
    } catch (error) {
      const reasons = { InvalidStateError: form.dataset.known, Error: error.message };
      problem.textContent = reasons[error.name] || form.dataset.failed;
      form.removeAttribute("data-busy");
    }
  });
}
