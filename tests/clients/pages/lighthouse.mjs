// Judges pages with Lighthouse, as a phone on a slow network sees them. Machines that are shared are slow at times: of
// three tries the best counts. Usage: node lighthouse.mjs '{"name": {"url": "http://…", "headers": {}}}'.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import lighthouse from "lighthouse";

const TRIES = 3;
const CATEGORIES = { performance: 95, accessibility: 100, "best-practices": 100, seo: 100 };
const LIMITS = { "largest-contentful-paint": 1500, "total-blocking-time": 50, "cumulative-layout-shift": 0.02 };
const SHORT = { "largest-contentful-paint": "LCP ms", "total-blocking-time": "TBT ms", "cumulative-layout-shift": "CLS" };
// Without the last ones, Chromium looks for hosts of its maker.
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-default-apps",
];

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

async function browser() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "kalends-lighthouse-"));
  const options = [...FLAGS, `--remote-debugging-port=${port}`, `--user-data-dir=${folder}`, "about:blank"];
  const chromium = spawn(process.env.CHROME_PATH, options, { stdio: "ignore" });
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://127.0.0.1:${port}/json/version`).catch(() => null);
    if (answer?.ok) break;
    if (tries === 100) throw new Error("the browser did not start");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const close = () =>
    new Promise((resolve) => {
      chromium.once("exit", () => {
        rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
        resolve();
      });
      chromium.kill();
    });
  return { port, close };
}

// What is wrong with a report, and its figures in one line.
function judged({ categories, audits }, hidden) {
  const wrong = [];
  const figures = [];
  for (const [name, least] of Object.entries(CATEGORIES)) {
    // Pages that search engines are asked to leave out are not judged by how well these find them.
    if (name === "seo" && hidden) continue;
    const score = Math.round(categories[name].score * 100);
    figures.push(`${name} ${score}`);
    if (score >= least) continue;
    const failed = categories[name].auditRefs.filter((each) => each.weight && audits[each.id].score < 1);
    wrong.push(`${name} is ${score}, not ${least}: ${failed.map((each) => each.id).join(", ")}`);
  }
  for (const [name, most] of Object.entries(LIMITS)) {
    const value = audits[name].numericValue;
    figures.push(`${SHORT[name]} ${Number(value.toFixed(value < 1 ? 3 : 0))}`);
    if (value > most) wrong.push(`${name} is ${value}, more than ${most}`);
  }
  return { wrong, line: figures.join(", ") };
}

const pages = JSON.parse(process.argv[2]);
const { port, close } = await browser();
let bad = false;
try {
  for (const [name, { url, headers }] of Object.entries(pages)) {
    const answer = await fetch(url, { headers, redirect: "error" });
    const hidden = /noindex/.test(answer.headers.get("x-robots-tag") ?? "");
    let best;
    for (let tries = 0; tries < TRIES && (!best || best.wrong.length); tries++) {
      const options = { port, logLevel: "error", onlyCategories: Object.keys(CATEGORIES), extraHeaders: headers };
      const { lhr } = await lighthouse(url, options);
      if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
      if (lhr.finalDisplayedUrl !== url) throw new Error(`${name} led to ${lhr.finalDisplayedUrl}`);
      const found = judged(lhr, hidden);
      if (!best || found.wrong.length < best.wrong.length) best = found;
    }
    console.log(`${name}: ${best.line}`);
    for (const each of best.wrong) console.log(`${name}: ${each}`);
    bad ||= best.wrong.length > 0;
  }
} finally {
  await close();
}
process.exit(bad ? 1 : 0);
