// What the extension says about a tab, and what it leaves out.

/** Version of the messages between the extension and the agent. */
export const VERSION = 1;

/** Longest address sent, in characters: longer ones are cut, the site is at the front. */
export const MAX_URL_CHARS = 8192;

/** Longest browser name sent, in characters. */
export const MAX_BROWSER_CHARS = 32;

/**
 * The part of an address that leaves the browser: no credentials and no fragment. Of a page that is not on the web
 * only the scheme is told, so that the agent knows that the tab left the page before.
 */
export function tellableUrl(address) {
  let url;
  try {
    url = new URL(address ?? "");
  } catch {
    return "";
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return url.protocol;
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  return url.href.slice(0, MAX_URL_CHARS);
}

/** Whether a navigation is of the page that its tab shows: not of a frame in it, nor of one loaded ahead. */
export function isShown(details) {
  return details.frameId === 0 && (details.documentLifecycle ?? "active") === "active" && details.tabId >= 0;
}

/** The browser's name, from its brands, or from its user agent where it has none. */
export function browserName(brands, userAgent) {
  const known = [
    ["Microsoft Edge", "edge"],
    ["Google Chrome", "chrome"],
    ["Chromium", "chromium"],
  ];
  const named = new Set((brands ?? []).map((brand) => brand.brand));
  for (const [brand, name] of known) {
    if (named.has(brand)) {
      return name;
    }
  }
  return /Firefox\//.test(userAgent ?? "") ? "firefox" : "unknown";
}

/** A message about a tab, without its sequence number. `active` tells a snapshot's tab in front from those behind. */
export function observation(kind, { tab, url, isPrivate, browser, isActive }) {
  const message = { v: VERSION, kind, tab, url: tellableUrl(url), private: Boolean(isPrivate), browser };
  return isActive === undefined ? message : { ...message, active: Boolean(isActive) };
}
