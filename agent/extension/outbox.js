// Observations on their way to the agent: numbered, bounded, and kept while the agent restarts.

/** Most observations kept for an agent that is away. The oldest go first, and their numbers show the hole. */
export const MAX_KEPT = 200;

/** Observations not yet handed to the agent, in order, and the number of the last one made. */
export class Outbox {
  #seq;
  #waiting;

  constructor(stored = undefined) {
    this.#seq = Number.isSafeInteger(stored?.seq) ? stored.seq : 0;
    this.#waiting = Array.isArray(stored?.waiting) ? stored.waiting.slice(-MAX_KEPT) : [];
  }

  /** Numbers `message` and puts it at the end. */
  add(message) {
    this.#seq += 1;
    this.#waiting.push({ ...message, seq: this.#seq });
    this.#waiting.splice(0, Math.max(0, this.#waiting.length - MAX_KEPT));
  }

  /** Numbers `message` without keeping it: for those that mean nothing later. */
  number(message) {
    this.#seq += 1;
    return { ...message, seq: this.#seq };
  }

  /** Hands every waiting message to `send`, in order. What follows one that throws stays, and so does that one. */
  drain(send) {
    while (this.#waiting.length > 0) {
      send(this.#waiting[0]);
      this.#waiting.shift();
    }
  }

  /** Drops what waits: there is no agent to hand it to. */
  clear() {
    this.#waiting = [];
  }

  /** How many wait. */
  get length() {
    return this.#waiting.length;
  }

  /** What may be stored for the worker's next life: never anything of a private window. */
  toStore() {
    return { seq: this.#seq, waiting: this.#waiting.filter((message) => !message.private) };
  }
}
