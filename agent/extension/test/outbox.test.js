import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_KEPT, Outbox } from "../outbox.js";

const seen = (outbox) => {
  const numbers = [];
  outbox.drain((message) => numbers.push(message.seq));
  return numbers;
};

test("observations leave once, in the order they were made", () => {
  const outbox = new Outbox();
  outbox.add({ kind: "committed" });
  outbox.add({ kind: "closed" });
  assert.deepEqual(seen(outbox), [1, 2]);
  assert.deepEqual(seen(outbox), []);
});

test("the oldest go when the agent is away for long, and the numbers show the hole", () => {
  const outbox = new Outbox();
  for (let i = 0; i < MAX_KEPT + 5; i += 1) {
    outbox.add({ kind: "committed" });
  }
  const numbers = seen(outbox);
  assert.equal(numbers.length, MAX_KEPT);
  assert.equal(numbers[0], 6);
});

test("a message that could not be handed over waits", () => {
  const outbox = new Outbox();
  outbox.add({ kind: "committed" });
  outbox.add({ kind: "closed" });
  const handed = [];
  assert.throws(() =>
    outbox.drain((message) => {
      if (message.seq === 2) {
        throw new Error("closed");
      }
      handed.push(message.seq);
    }),
  );
  assert.deepEqual(handed, [1]);
  assert.deepEqual(seen(outbox), [2]);
});

test("numbers go on in the worker's next life", () => {
  const outbox = new Outbox();
  outbox.add({ kind: "committed", private: false });
  outbox.number({ kind: "ping" });
  const next = new Outbox(structuredClone(outbox.toStore()));
  next.add({ kind: "closed", private: false });
  assert.deepEqual(seen(next), [1, 3]);
});

test("nothing of a private window is stored", () => {
  const outbox = new Outbox();
  outbox.add({ kind: "committed", url: "https://marker.example/", private: true });
  outbox.add({ kind: "committed", url: "https://other.example/", private: false });
  const stored = JSON.stringify(outbox.toStore());
  assert.ok(!stored.includes("marker"));
  assert.ok(stored.includes("other"));
  assert.equal(outbox.length, 2);
});

test("a damaged store starts afresh", () => {
  assert.deepEqual(seen(new Outbox({ seq: "x", waiting: "y" })), []);
});
