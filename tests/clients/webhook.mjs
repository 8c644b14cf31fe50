// Take one delivery, and verify it with the library of Standard Webhooks: `webhook.mjs URL KEY`.

import { once } from "node:events";
import { createServer } from "node:http";

import { Webhook } from "standardwebhooks";

const [url, key] = process.argv.slice(2);

async function post(path, body) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const { success, data, error } = await answer.json();
  if (!success) throw new Error(`refused: ${JSON.stringify(error)}`);
  return data;
}

function isGenuine(webhook, body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

const receiver = createServer().listen(0, "127.0.0.1");
await once(receiver, "listening");
const { id, secret } = await post("/v1/webhooks", {
  url: `http://127.0.0.1:${receiver.address().port}/hook`,
  events: ["webhook.disabled"],
});
const arriving = once(receiver, "request", { signal: AbortSignal.timeout(30_000) });
const delivery = await post(`/v1/webhooks/${id}/test`, {});
const [request, response] = await arriving;
const chunks = [];
for await (const chunk of request) chunks.push(chunk);
response.end();
const body = Buffer.concat(chunks).toString();

const webhook = new Webhook(secret);
const told = webhook.verify(body, request.headers);
if (told.event !== "webhook.test" || told.data.webhook.id !== id) throw new Error(`not the test: ${body}`);
if (request.headers["webhook-id"] !== delivery.event_id) throw new Error("the id is another event's");
const changed = body.replace("webhook.test", "webhook.tesu");
if (isGenuine(webhook, changed, request.headers)) throw new Error("a changed body passes");
const other = { ...request.headers, "webhook-id": "evt_other" };
if (isGenuine(webhook, body, other)) throw new Error("another id passes");

receiver.close();
receiver.closeAllConnections();
console.log("JavaScript: took a delivery and verified it");
