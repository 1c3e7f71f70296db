// The background worker. Listeners stand at the top level, because the browser ends the worker at will and starts it
// again for an event; each waits for `ready`, so that the stored numbers come first.

import { browserName, isShown, MAX_BROWSER_CHARS, observation } from "./observation.js";
import { Outbox } from "./outbox.js";
import { delayBefore, whyClosed } from "./reconnect.js";

const HOST = "uk.lapwing.host";
const STORED = "outbox";
const ALARM = "agent";
// An open port keeps the worker alive only while it is used; the browser ends an idle one after 30 s.
const PING_MS = 20_000;
// A host that cannot reach its service exits at once: what is handed over before that would be lost.
const TRIAL_MS = 1000;

const browser = browserName(navigator.userAgentData?.brands, navigator.userAgent).slice(0, MAX_BROWSER_CHARS);

let outbox = new Outbox();
let port;
let isProven = false;
let isAbsent = false;
let attempt = 0;
let retry;
let saving = Promise.resolve();

const ready = start();

async function start() {
  const stored = await chrome.storage.session.get(STORED);
  outbox = new Outbox(stored[STORED]);
  await chrome.alarms.create(ALARM, { periodInMinutes: 0.5 });
  connect();
}

function connect() {
  clearTimeout(retry);
  if (port) {
    return;
  }
  const opened = chrome.runtime.connectNative(HOST);
  port = opened;
  opened.onDisconnect.addListener(closed);
  opened.onMessage.addListener(() => proven(opened));
  setTimeout(() => proven(opened), TRIAL_MS);
}

// The port works: it carried a message, or stayed open through its trial.
function proven(opened) {
  if (port !== opened || isProven) {
    return;
  }
  isProven = true;
  isAbsent = false;
  attempt = 0;
  flush();
  snapshot();
}

function closed() {
  const why = whyClosed(chrome.runtime.lastError?.message);
  port = undefined;
  isProven = false;
  isAbsent = why === "absent";
  if (isAbsent) {
    outbox.clear();
    save();
  }
  const delay = delayBefore(attempt, why);
  attempt += 1;
  if (delay !== undefined) {
    retry = setTimeout(connect, delay);
  }
}

// Pages that were open before the agent listened.
async function snapshot() {
  for (const tab of await chrome.tabs.query({})) {
    tell("snapshot", { tab: tab.id, url: tab.url, isPrivate: tab.incognito, isActive: tab.active });
  }
  const [front] = await chrome.tabs.query({ active: true, lastFocusedWindow: true });
  if (front) {
    tell("activated", { tab: front.id, url: front.url, isPrivate: front.incognito });
  }
}

function tell(kind, facts) {
  if (isAbsent) {
    return;
  }
  outbox.add(observation(kind, { ...facts, browser }));
  flush();
}

function flush() {
  if (isProven) {
    try {
      outbox.drain((message) => port.postMessage(message));
    } catch {
      // The port closed underneath: what was not handed over waits for the next one.
    }
  }
  save();
}

// One write at a time, so that an older state never overwrites a newer one.
function save() {
  saving = saving.then(() => chrome.storage.session.set({ [STORED]: outbox.toStore() })).catch(() => {});
}

function ping() {
  if (isProven) {
    port.postMessage(outbox.number({ v: 1, kind: "ping", tab: 0, url: "", private: false, browser }));
  }
}

// A tab's privacy is not part of a navigation. A tab that closed meanwhile is taken for private, the careful answer.
async function isPrivate(tabId) {
  try {
    return (await chrome.tabs.get(tabId)).incognito;
  } catch {
    return true;
  }
}

// Navigations of one tab are told in the order they came, whatever the look-ups in between take.
let inOrder = ready;

function navigated(kind) {
  return (details) => {
    if (isShown(details)) {
      inOrder = inOrder.then(async () => {
        tell(kind, { tab: details.tabId, url: details.url, isPrivate: await isPrivate(details.tabId) });
      });
    }
  };
}

function activated(query) {
  inOrder = inOrder.then(async () => {
    const [tab] = await chrome.tabs.query({ active: true, ...query }).catch(() => []);
    if (tab) {
      tell("activated", { tab: tab.id, url: tab.url, isPrivate: tab.incognito });
    }
  });
}

chrome.webNavigation.onCommitted.addListener(navigated("committed"));
chrome.webNavigation.onHistoryStateUpdated.addListener(navigated("same_document"));
chrome.webNavigation.onReferenceFragmentUpdated.addListener(navigated("same_document"));
chrome.tabs.onActivated.addListener(({ windowId }) => activated({ windowId }));
chrome.windows.onFocusChanged.addListener((windowId) => {
  if (windowId !== chrome.windows.WINDOW_ID_NONE) {
    activated({ windowId });
  }
});
// A closed tab is told without an address, so that it needs no mark of privacy.
chrome.tabs.onRemoved.addListener((tabId) => {
  inOrder = inOrder.then(() => tell("closed", { tab: tabId, url: "", isPrivate: false }));
});
chrome.alarms.onAlarm.addListener(() => ready.then(connect));
// Listened to only so that the browser starts the worker with itself and with the extension.
chrome.runtime.onStartup.addListener(() => {});
chrome.runtime.onInstalled.addListener(() => {});
setInterval(() => ready.then(ping), PING_MS);
