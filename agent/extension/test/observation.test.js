import assert from "node:assert/strict";
import { test } from "node:test";

import { browserName, isShown, MAX_URL_CHARS, observation, tellableUrl } from "../observation.js";

test("an address leaves without credentials and fragment", () => {
  assert.equal(tellableUrl("https://me:secret@example.org/a?q=b#token=1"), "https://example.org/a?q=b");
});

test("a page that is not on the web tells its scheme only", () => {
  assert.equal(tellableUrl("file:///home/pupil/diary.html"), "file:");
  assert.equal(tellableUrl("chrome://newtab/"), "chrome:");
  assert.equal(tellableUrl("data:text/html,<p>secret"), "data:");
});

test("what is no address is told as none", () => {
  assert.equal(tellableUrl(undefined), "");
  assert.equal(tellableUrl("::"), "");
});

test("a long address is cut behind its site", () => {
  const told = tellableUrl(`https://example.org/${"a".repeat(20_000)}`);
  assert.equal(told.length, MAX_URL_CHARS);
  assert.ok(told.startsWith("https://example.org/a"));
});

test("a frame, a page loaded ahead and a page of no tab are not shown", () => {
  assert.ok(isShown({ frameId: 0, tabId: 3 }));
  assert.ok(isShown({ frameId: 0, tabId: 3, documentLifecycle: "active" }));
  assert.ok(!isShown({ frameId: 7, tabId: 3 }));
  assert.ok(!isShown({ frameId: 0, tabId: 3, documentLifecycle: "prerender" }));
  assert.ok(!isShown({ frameId: 0, tabId: -1 }));
});

test("the browser is named by its most particular brand", () => {
  const brands = (...names) => names.map((brand) => ({ brand, version: "156" }));
  assert.equal(browserName(brands("Not A Brand", "Chromium"), ""), "chromium");
  assert.equal(browserName(brands("Chromium", "Google Chrome"), ""), "chrome");
  assert.equal(browserName(brands("Chromium", "Microsoft Edge"), ""), "edge");
  assert.equal(browserName(undefined, "Mozilla/5.0 Gecko/20100101 Firefox/153.0"), "firefox");
  assert.equal(browserName(undefined, undefined), "unknown");
});

test("an observation holds the agreed members and nothing else", () => {
  const facts = { tab: 4, url: "https://example.org/", isPrivate: true, browser: "chromium", title: "secret" };
  assert.deepEqual(observation("committed", facts), {
    v: 1,
    kind: "committed",
    tab: 4,
    url: "https://example.org/",
    private: true,
    browser: "chromium",
  });
  assert.equal(observation("snapshot", { ...facts, isActive: true }).active, true);
});
