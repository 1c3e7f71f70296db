import assert from "node:assert/strict";
import { test } from "node:test";

import { delayBefore, whyClosed } from "../reconnect.js";

test("a browser without an agent is told from an agent that restarts", () => {
  assert.equal(whyClosed("Specified native messaging host not found."), "absent");
  assert.equal(whyClosed("Access to the specified native messaging host is forbidden."), "absent");
  assert.equal(whyClosed("Native host has exited."), "gone");
  assert.equal(whyClosed(undefined), "gone");
});

test("attempts to reach the agent grow apart up to 10 seconds", () => {
  assert.deepEqual([0, 1, 2, 5, 1000].map((attempt) => delayBefore(attempt, "gone")), [1000, 2000, 4000, 10_000, 10_000]);
});

test("without an agent only the alarm looks again", () => {
  assert.equal(delayBefore(0, "absent"), undefined);
});
