// When to look for the agent again.

const FIRST_MS = 1000;
const LONGEST_MS = 10_000;

/** Why a port closed: `absent` where no agent is installed for this browser, else `gone`, which passes. */
export function whyClosed(message) {
  return /not found|forbidden/i.test(message ?? "") ? "absent" : "gone";
}

/** Milliseconds to wait before attempt `attempt` (from 0), or undefined when only the alarm should try. */
export function delayBefore(attempt, why) {
  return why === "absent" ? undefined : Math.min(FIRST_MS * 2 ** Math.min(attempt, 16), LONGEST_MS);
}
