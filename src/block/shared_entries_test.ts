import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import { SharedEntries, type StoreEntry } from "./shared_entries.ts";

/** An entry of 3 bytes that comes back whenever it was given up. */
class Stubborn implements StoreEntry {
  readonly size = 3;
  readonly extentSize = 1;
  dropped = false;
  closed = 0;
  has = () => false;
  read = () => Promise.resolve(false);
  write = () => Promise.resolve();
  finish = () => Promise.resolve();
  drop() {
    this.dropped = true;
    return Promise.resolve();
  }
  close() {
    this.closed++;
    return Promise.resolve();
  }
}

const KEY = { identity: "a", name: "https://me:pass@host/a", size: 4 };

test("SharedEntries gives up an entry of another size that cannot be removed", async () => {
  const made: Stubborn[] = [];
  const make = () => {
    const entry = new Stubborn();
    made.push(entry);
    return Promise.resolve(entry);
  };
  const entries = new SharedEntries();
  await assert.rejects(entries.open("a", KEY, make), (error) => {
    assert.ok(isCoded(error, "store.unusable"));
    assert.ok(!error.message.includes("pass"), error.message);
    return true;
  });
  assert.ok(made.every(({ closed }) => closed === 1));
  const content = await entries.open("a", { ...KEY, size: 3 }, make);
  assert.equal(content.size, 3);
  await content.close();
});

test("SharedEntries looks at the signal each time it tries again", async () => {
  const controller = new AbortController();
  const reason = new Error("left");
  let made = 0;
  const make = () => {
    if (++made === 2) controller.abort(reason);
    return Promise.resolve(new Stubborn());
  };
  await assert.rejects(
    new SharedEntries().open("a", KEY, make, controller),
    (error) => error === reason,
  );
  assert.equal(made, 2);
});
