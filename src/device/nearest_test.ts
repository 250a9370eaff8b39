import assert from "node:assert/strict";
import test from "node:test";
import { findNearest } from "./nearest.ts";

const KEYS = ["id", "display_name", "devicetree_name", "match", "page_size"];

const CASES: [word: string, nearest: string | undefined][] = [
  ["match", "match"],
  ["mathc", "match"],
  ["matches", "match"],
  ["mtach", "match"],
  ["Match", "match"],
  ["display-name", "display_name"],
  ["displayname", "display_name"],
  ["device_tree_name", "devicetree_name"],
  ["pagesize", "page_size"],
  ["ids", "id"],
  ["name", undefined],
  ["", undefined],
  ["x".repeat(100_000), undefined],
];
for (const [word, nearest] of CASES) {
  test(`findNearest() takes ${JSON.stringify(word.slice(0, 20))} for ${nearest}`, () => {
    assert.equal(findNearest(word, KEYS), nearest);
  });
}
