// Drives the dashboard in Chromium as a person would. Started by tests/dashboard.rs:
// node dashboard.mjs BASE TOKEN FOLDER-OF-SCREENSHOTS
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, token, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(folder, { recursive: true });
const profile = mkdtempSync(join(tmpdir(), "dashboard-"));

const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1440, height: 900 },
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const problems = [];
/** Refusals that a step brings about on purpose. */
let expected = [];

async function open(options = {}) {
  const page = await browser.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected.some((word) => message.text().includes(word))) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  if (options.media) await page.emulateMedia(options.media);
  if (options.viewport) await page.setViewportSize(options.viewport);
  await page.goto(base + (options.path ?? "/resilience/"));
  await page.getByText("live", { exact: true }).waitFor();
  return page;
}
const ask = (path) => fetch(base + path, { method: "POST" }).then((answer) => assert.equal(answer.status, 200, path));
const row = (page, name) => page.locator("tr.row", { has: page.getByRole("button", { name, exact: true }) });
const picture = (page, name) => page.screenshot({ path: join(folder, name + ".png") });
async function shows(page, name, state, within = 5000) {
  await row(page, name).locator("td.state", { hasText: state }).waitFor({ timeout: within });
}

/** What axe calls serious or worse. */
async function accessible(page, where) {
  // The page's own policy lets no script in; a debugger's is not the page's.
  const { violations } = await page.evaluate(axe + ";axe.run(document, { resultTypes: ['violations'] })");
  const bad = violations.filter(({ impact }) => ["serious", "critical", "moderate"].includes(impact));
  const told = bad.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => html + " " + failureSummary).join(" | ")}`);
  assert.deepEqual(told, [], where);
}
async function fits(page, where) {
  const [inner, wide] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
  assert.ok(wide <= inner, `${where}: ${wide} px in ${inner} px`);
}

const steps = {
  async "every operation is there, called or not, trouble first"(page) {
    const names = await page.locator("tr.row th.name button").allInnerTexts();
    for (const name of ["payments.charge", "orders.load", "reports.yearly", "made-in-code"]) assert.ok(names.includes(name), name);
    assert.equal(await page.getByRole("button", { name: /^Never called/ }).getAttribute("aria-pressed"), "false");
  },

  async "a breaker that opens is shown within a second, told to a screen reader and put into the timeline"(page) {
    await shows(page, "payments.charge", "closed");
    const seen = page.evaluate(() => new Promise((resolve) => {
      const at = [...document.querySelectorAll("tr.row")].find((tr) => tr.querySelector("button").innerText === "payments.charge").querySelector(".word");
      new MutationObserver((_, observer) => {
        if (!at.innerText.includes("open")) return;
        observer.disconnect();
        resolve(Date.now());
      }).observe(at, { childList: true, subtree: true, characterData: true });
    }));
    await page.evaluate(() => {}); // the observer is there
    const began = Date.now();
    await ask("/test/break");
    const took = (await seen) - began;
    console.log(`   shown after ${took} ms`);
    assert.ok(took < 1000, `${took} ms`);
    await page.locator("#spoken", { hasText: "Breaker payments.charge open: 3 consecutive failures" }).waitFor();
    await page.locator("#log li", { hasText: "closed → open" }).first().waitFor();
    await page.getByRole("img", { name: /^payments\.charge: .* open since/ }).waitFor();
    await page.waitForFunction(() => document.title.startsWith("(1 open)"));
    await page.waitForFunction(() => document.querySelector("#overall").innerText === "degraded");
    await page.waitForFunction(() => document.querySelector("tr.row button").innerText === "payments.charge");
    assert.match(await row(page, "payments.charge").locator(".more").innerText(), /probes in \d+/);
  },

  async "details show what is in force and who said so"(page) {
    await page.getByRole("button", { name: "payments.charge", exact: true }).click();
    const config = page.getByRole("table", { name: "Configuration in force" });
    await config.waitFor();
    const line = config.getByRole("row", { name: /^recovery_timeout/ });
    assert.match(await line.innerText(), /45 s\s+PYNOMALY_OP_PAYMENTS_CHARGE_RECOVERY_TIMEOUT/);
    assert.match(await config.getByRole("row", { name: /^base_delay/ }).innerText(), /1 s\s+api profile/);
    await page.getByText("fallback > ", { exact: false }).or(page.getByText("retry > ", { exact: false })).first().waitFor();
  },

  async "a wrong token resets nothing, the right one does"(page) {
    expected = ["401 (Unauthorized)"];
    await page.getByRole("button", { name: /^Reset breaker payments.charge/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Token").fill("wrong-horse-battery");
    await dialog.getByRole("button", { name: "Reset" }).click();
    await dialog.getByText("This is not the token", { exact: false }).waitFor();
    assert.match(await row(page, "payments.charge").locator(".word").innerText(), /open/);
    await ask("/test/heal");
    await dialog.getByLabel("Token").fill(token);
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "hidden" });
    await shows(page, "payments.charge", "closed");
    expected = [];
    const kept = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.documentElement.outerHTML].join());
    assert.ok(!kept.includes(token), "the token is in the page's memory only");
    await page.getByRole("button", { name: "Forget token" }).click();
    assert.equal(await page.getByRole("button", { name: "Enter token" }).count(), 1);
  },

  async "texts of strangers are texts"(page) {
    await page.getByText("<img src=x onerror=window.taken=1>").first().waitFor();
    assert.equal(await page.evaluate(() => window.taken), undefined);
    assert.equal(await page.locator("img").count(), 0);
  },

  async "nothing runs that the page did not bring"(page) {
    expected = ["Content Security Policy", "TrustedHTML", "TrustedScript"];
    const ran = await page.evaluate(() => {
      const tries = [
        () => { const it = document.createElement("script"); it.append("window.taken = 2"); document.body.append(it); },
        () => { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.taken=3'>"); },
      ];
      for (const one of tries) try { one(); } catch { /* as it should */ }
      return new Promise((resolve) => setTimeout(() => resolve(window.taken), 200));
    });
    assert.equal(ran, undefined);
    expected = [];
  },

  async "the keyboard goes all the way"(page) {
    await page.keyboard.press("Tab");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "find");
    await page.keyboard.type("orders.load");
    await page.waitForFunction(() => document.querySelectorAll("tr.row").length === 1);
    await page.keyboard.press("Tab"); // sort
    await page.keyboard.press("Tab"); // the row
    assert.equal(await page.evaluate(() => document.activeElement.innerText), "orders.load");
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
    await page.keyboard.press("Enter");
    assert.equal(await page.getByRole("button", { name: "orders.load", exact: true }).getAttribute("aria-expanded"), "true");
    await page.getByRole("table", { name: "Configuration in force" }).waitFor();
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), /^Reset breaker orders.load/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter"); // Force open asks first
    const dialog = page.getByRole("dialog");
    await dialog.getByText("It refuses every call until somebody closes it.").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), /^Force open breaker orders.load/);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter"); // closes the details
    await page.getByRole("searchbox").focus();
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelectorAll("tr.row").length > 5);
    assert.match(await row(page, "orders.load").locator("td.state").innerText(), /closed/);
  },

  async "without a stream it asks"(page) {
    await page.close();
    expected = ["503 (Service Unavailable)", "stream"];
    const other = await browser.newPage();
    other.on("pageerror", (error) => problems.push(String(error)));
    await other.route("**/events/stream*", (route) => route.fulfill({ status: 503, body: "" }));
    await other.goto(base + "/resilience/");
    await other.getByText("asking every 2 s").waitFor();
    await ask("/test/break");
    await shows(other, "payments.charge", "open", 5000);
    await ask("/test/heal");
    await ask("/test/mend");
    await shows(other, "payments.charge", "closed", 5000);
    await other.close();
    expected = [];
  },

  async "an outage of the program is told and over when it is back"() {
    const page = await open();
    expected = ["ERR_FAILED", "net::"];
    await browser.setOffline(true);
    await page.getByText("no answer", { exact: true }).waitFor({ timeout: 15000 });
    await page.getByText("No answer since", { exact: false }).waitFor();
    await browser.setOffline(false);
    await page.getByText("live", { exact: true }).waitFor({ timeout: 20000 });
    expected = [];
    await page.close();
  },

  async "it is accessible and legible in light, dark, and on a phone"() {
    await ask("/test/scene");
    for (const [name, media, viewport] of [
      ["light", { colorScheme: "light" }, { width: 1440, height: 900 }],
      ["dark", { colorScheme: "dark" }, { width: 1440, height: 900 }],
      ["phone", { colorScheme: "light", reducedMotion: "reduce" }, { width: 360, height: 780 }],
      ["phone-dark", { colorScheme: "dark", reducedMotion: "reduce" }, { width: 360, height: 780 }],
      ["tablet", { colorScheme: "light" }, { width: 900, height: 1100 }],
    ]) {
      const page = await open({ media, viewport });
      await shows(page, "payments.charge", "open");
      await page.locator("#checks li").first().waitFor();
      await page.mouse.move(5, 5);
      await page.waitForTimeout(1800); // the marks of changes have faded
      await picture(page, name);
      await fits(page, name);
      await accessible(page, name);
      await page.getByRole("button", { name: "payments.charge", exact: true }).click();
      await page.getByRole("table", { name: "Configuration in force" }).waitFor();
      await picture(page, name + "-details");
      await fits(page, name + " with details");
      await accessible(page, name + " with details");
      await page.getByRole("button", { name: /^Reset breaker/ }).click();
      await page.getByRole("dialog").waitFor();
      await picture(page, name + "-token");
      await accessible(page, name + " with the dialog");
      await page.close();
    }
  },

  async "five hundred operations are found, sorted and drawn in time"() {
    await ask("/test/many");
    const page = await open();
    await page.getByRole("button", { name: /^Never called/ }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll("tr.row").length === 120);
    const took = await page.evaluate(async () => {
      const find = document.getElementById("find"), began = performance.now();
      find.value = "many-417";
      find.dispatchEvent(new Event("input"));
      await new Promise(requestAnimationFrame);
      return performance.now() - began;
    });
    assert.equal(await page.locator("tr.row").count(), 1);
    console.log(`   filtered in ${Math.round(took)} ms`);
    assert.ok(took < 1000, `${took} ms`);
    await page.getByRole("searchbox").fill("");
    await picture(page, "many");
    await page.getByRole("button", { name: "Show all 510" }).click();
    await page.waitForFunction(() => document.querySelectorAll("tr.row").length === 510);
    await page.waitForFunction(() => document.querySelector("tr.row button").innerText === "payments.charge");
    await page.setViewportSize({ width: 360, height: 780 });
    await fits(page, "many on a phone");
    await page.close();
  },

  async "it works below a prefix"() {
    const page = await open({ path: "/inner/resilience/" });
    await shows(page, "orders.load", "closed");
    await page.close();
  },
};

let page = await open();
let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step(page);
    assert.deepEqual(problems, [], "the console is silent");
    console.log("ok  " + name);
  } catch (error) {
    failed += 1;
    console.log("not ok  " + name + "\n" + (error.stack ?? error));
    await browser.pages().at(-1)?.screenshot({ path: join(folder, "failed-" + failed + ".png") }).catch(() => {});
    problems.length = 0;
    expected = [];
  }
}
await browser.close();
rmSync(profile, { recursive: true, force: true });
process.exitCode = failed ? 1 : 0;
