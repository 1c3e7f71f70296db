// A person at the console in a real browser: signs in, waits for a live row, decides, and is shown every page.
//
//   node console.cjs ADDRESS PICTURES_FOLDER LOGIN PASSWORD
//
// LAPWING_NPM is the folder that holds node_modules with playwright-core and axe-core. Reads commands as lines on
// standard input and answers each with one line of JSON, so that a story decides what happens when.
// The end of its input ends it:
//
//   password           gives name and password; {"path": ...} of the second step
//   code [CODE]        gives CODE, or sets an authenticator up; {"path": ..., "title": ...}
//   on                 leaves the page of the recovery codes
//   sign-in [CODE]     all of it; {"title": ..., "path": ...}
//   wait-row WORDS     waits until "N new" is announced, follows it, and until a row says WORDS
//   open WORDS         opens the row that says WORDS; {"text": ..., "links": [...], "images": n}
//   acknowledge        presses the button
//   check NAME         axe violations of the page as it is, and a picture of it; {"violations": [...]}
//   go PATH            opens a page
//   again              loads the page again; {"seen": captures that it shows, "images": n}
//   press KEY...       presses keys one after another
//   press-on KEY...    the same, and waits for the page that the last leads to
//   click WORDS        presses the button of that name in the page, and waits for the page that it leads to
//   open-link WORDS    follows the link of that name
//   send FORM          presses the button of a form, by its selector
//   row N              opens the row of that number, from 0
//   watch              notes when anything changes in the list from now on
//   change MS          the first change at that time or later; {"at": ms or null}
//   listeners N        N further streams of the list are read; {"statuses": [...]}
//   wait SELECTOR      waits until that is there
//   tick N             ticks the box of that number, from 0
//   at                 {"path", "title", "focus", "said", "rows", "current"}
//   walk               presses Tab through the page; {"stops": n, "unseen": [...], "returned": true}
//   look HOW           light, dark, print, phone, narrow (320 px, as at 400 %) or desk; {"overflow": px}
//
// LAPWING_SCRIPT=off: a browser that runs no script.
"use strict";

const crypto = require("node:crypto");
const https = require("node:https");
const path = require("node:path");
const readline = require("node:readline");
const npm = process.env.LAPWING_NPM;
const { chromium } = require(path.join(npm, "node_modules", "playwright-core"));
const axe = require.resolve(path.join(npm, "node_modules", "axe-core", "axe.min.js"));
const [address, pictures, login, password] = process.argv.slice(2);

// The code that an authenticator with this key (base32, in groups) shows now: RFC 6238.
function codeOf(key) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...key.replaceAll(" ", "")].map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const bytes = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
  const made = crypto.createHmac("sha1", bytes).update(step).digest();
  const number = made.readUInt32BE(made[19] & 0xf) & 0x7fffffff;
  return String(number % 1000000).padStart(6, "0");
}

const rules = { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] } };

async function main() {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-sync", "--disable-component-update", "--no-first-run"],
  });
  // The page's own policy forbids injected scripts; axe comes in through the debugger instead.
  const javaScriptEnabled = process.env.LAPWING_SCRIPT !== "off";
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const strangers = [];
  const complaints = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(address)) strangers.push(request.url());
  });
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("dialog", (dialog) => {
    complaints.push("a dialog: " + dialog.message());
    dialog.dismiss();
  });
  const row = (words) => page.locator("[data-reference]", { hasText: words }).first();

  // Does what leads to another page, and waits for that page.
  const led = async (act) => { await Promise.all([page.waitForEvent("load"), act()]); };

  const commands = {
    async password() {
      await page.goto(address + "/sign-in");
      await page.fill("#login", login);
      await page.fill("#password", password);
      await Promise.all([page.waitForURL((url) => url.pathname.startsWith("/sign-in/")), page.click("button[type=submit]")]);
      return { path: new URL(page.url()).pathname };
    },
    async code(given) {
      const isFirst = new URL(page.url()).pathname === "/sign-in/set-up";
      await page.fill("#code", isFirst ? codeOf(await page.locator(".key code").innerText()) : given);
      const done = isFirst ? page.locator(".codes").waitFor() : page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
      await Promise.all([done, page.click("button[type=submit]")]);
      return { title: await page.title(), path: new URL(page.url()).pathname };
    },
    async on() {
      await Promise.all([page.waitForURL((url) => !url.pathname.startsWith("/sign-in")), page.click(".go a")]);
      return { title: await page.title(), path: new URL(page.url()).pathname };
    },
    async "sign-in"(given) {
      const { path: step } = await commands.password();
      const landed = await commands.code(given);
      return step === "/sign-in/set-up" ? commands.on() : landed;
    },
    async "wait-row"(words) {
      await page.locator("[data-bar]:not([hidden])").waitFor();
      const announced = await page.locator("[data-said]").innerText();
      await page.click("[data-bar]");
      await row(words).waitFor();
      return { announced };
    },
    async open(words) {
      await Promise.all([page.waitForURL(/\/concerns\//), row(words).locator("a").click()]);
      const detail = page.locator("article");
      return {
        text: await detail.innerText(),
        marked: await detail.locator("mark").allInnerTexts(),
        links: await detail.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href"))),
        images: await detail.locator("img").count(),
      };
    },
    async acknowledge() {
      await page.getByRole("button", { name: "Acknowledge" }).click();
      await page.locator(".notice [role=status]").waitFor();
      return { said: await page.locator(".notice [role=status]").innerText() };
    },
    async press(keys) {
      for (const key of keys.split(" ")) await page.keyboard.press(key);
      return commands.at();
    },
    async "press-on"(keys) {
      const pressed = async () => { for (const key of keys.split(" ")) await page.keyboard.press(key); };
      await led(pressed);
      return commands.at();
    },
    async click(words) {
      await led(() => page.getByRole("button", { name: words, exact: true }).first().click());
      return commands.at();
    },
    // Whatever changes in the list, and when, in milliseconds of the clock of this machine.
    async watch() {
      await page.evaluate(() => {
        window.changes = [];
        const list = document.querySelector(".list");
        const seen = () => { if (window.changes[window.changes.length - 1] !== Date.now()) window.changes.push(Date.now()); };
        new MutationObserver(seen).observe(list, { childList: true, characterData: true, attributes: true, subtree: true });
      });
      return {};
    },
    // The first change at that time or later; none where nothing changes within three seconds.
    async change(since) {
      const first = (at) => window.changes.find((change) => change >= at);
      const found = await page.waitForFunction(first, Number(since), { timeout: 3000 }).catch(() => null);
      return { at: found ? await found.jsonValue() : null };
    },
    // Further readers of the same list, each with a stream of its own that is read and thrown away.
    async listeners(count) {
      const cookie = (await context.cookies()).map((one) => one.name + "=" + one.value).join("; ");
      const opened = [...Array(Number(count))].map(() => new Promise((done, failed) => {
        const request = https.get(address + "/queue/live", { agent: false, headers: { cookie }, rejectUnauthorized: false });
        request.on("error", failed);
        request.on("response", (answer) => {
          answer.on("data", () => done(answer.statusCode));
          answer.on("error", () => {});
        });
      }));
      return { statuses: [...new Set(await Promise.all(opened))] };
    },
    async wait(selector) {
      await page.locator(selector).waitFor();
      return {};
    },
    async send(form) {
      await led(() => page.locator(form + " button").first().click());
      return commands.at();
    },
    async tick(number) {
      await page.locator(".pick").nth(Number(number)).check();
      return {};
    },
    async "open-link"(words) {
      await led(() => page.getByRole("link", { name: words, exact: true }).first().click());
      return commands.at();
    },
    async row(number) {
      await led(() => page.locator("a.row").nth(Number(number)).click());
      return commands.at();
    },
    async at() {
      await page.waitForLoadState();
      const said = page.locator(".said [role=status]");
      const current = page.locator("a.row[aria-current]");
      const focus = "document.activeElement ? [document.activeElement.tagName, document.activeElement.id || '', document.activeElement.innerText || ''].join(' ').trim() : ''";
      return {
        path: new URL(page.url()).pathname,
        title: await page.title(),
        focus: javaScriptEnabled ? await page.evaluate(focus) : "",
        said: (await said.count()) ? await said.first().innerText() : "",
        rows: await page.locator("a.row").count(),
        current: (await current.count()) ? await current.first().innerText() : "",
      };
    },
    // Every stop of the Tab key: what has the focus is inside the window, and nothing lies over it.
    async walk() {
      const first = await page.evaluate(() => { document.activeElement.blur(); window.scrollTo(0, 0); return location.href; });
      const unseen = [];
      let stops = 0;
      let returned = false;
      for (; stops < 400; stops += 1) {
        await page.keyboard.press("Tab");
        const stop = await page.evaluate(() => {
          const at = document.activeElement;
          if (!at || at === document.body) return null;
          const name = [at.tagName, at.id || at.getAttribute("href") || at.innerText || ""].join(" ").slice(0, 60);
          const box = at.getBoundingClientRect();
          const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
          const x = Math.min(Math.max(box.left + box.width / 2, 1), innerWidth - 1);
          const y = Math.min(Math.max(box.top + Math.min(box.height / 2, 20), 1), innerHeight - 1);
          const over = document.elementFromPoint(x, y);
          const shows = inside && (at.contains(over) || (over && over.contains(at)));
          const style = getComputedStyle(at);
          const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
          return { name, shows, isMarked };
        });
        if (stop === null) { returned = true; break; }
        if (!stop.shows || !stop.isMarked) unseen.push(stop.name + (stop.shows ? " is not marked" : " is covered"));
      }
      return { stops, unseen, returned, moved: first !== (await page.evaluate("location.href")) };
    },
    async look(how) {
      const sizes = { phone: [390, 844], narrow: [320, 640], desk: [1280, 900] };
      if (sizes[how]) await page.setViewportSize({ width: sizes[how][0], height: sizes[how][1] });
      if (how === "light" || how === "dark") await page.emulateMedia({ colorScheme: how, media: "screen" });
      if (how === "print") await page.emulateMedia({ colorScheme: "light", media: "print" });
      return { overflow: await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") };
    },
    async again() {
      await page.reload();
      const seen = page.locator(".seen");
      return { seen: await seen.count(), images: await page.locator("article img, article script").count() };
    },
    async go(where) {
      const heard = complaints.length;
      const response = await page.goto(address + where);
      // The browser notes a page that is refused; nothing else may be wrong with it.
      if (response.status() >= 400) complaints.length = heard;
      return { status: response.status(), title: await page.title() };
    },
    async check(name) {
      await page.screenshot({ path: path.join(pictures, name + ".png"), fullPage: true });
      const session = await context.newCDPSession(page);
      const source = require("node:fs").readFileSync(axe, "utf8");
      await session.send("Runtime.evaluate", { expression: source });
      const run = `axe.run(document, ${JSON.stringify(rules)}).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ")).join(", ")))`;
      const answer = await session.send("Runtime.evaluate", { expression: run, awaitPromise: true, returnByValue: true });
      await session.detach();
      return { violations: answer.result.value, strangers, complaints };
    },
  };

  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...rest] = line.split(" ");
    try {
      console.log(JSON.stringify(await commands[name](rest.join(" "))));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error).slice(0, 2000) }));
    }
  }
  await browser.close();
  process.exit();
}

main().catch((error) => {
  console.log(JSON.stringify({ error: String(error) }));
  process.exitCode = 1;
});
