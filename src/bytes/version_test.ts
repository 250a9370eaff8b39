import assert from "node:assert/strict";
import test from "node:test";
import { compareVersions } from "./version.ts";

const sign = (a: string, b: string) => Math.sign(compareVersions(a, b));

// The list of the specification, section "Examples", but for two that contradict its algorithm:
// systemd-analyze says '' > '~' and '0' > '~' too.
const EXAMPLES: [string, "<" | "==" | ">", string][] = [
  ["11", "==", "11"],
  ["systemd-123", "==", "systemd-123"],
  ["bar-123", "<", "foo-123"],
  ["123a", ">", "123"],
  ["123.a", ">", "123"],
  ["123.a", "<", "123.b"],
  ["123a", ">", "123.a"],
  ["11α", "==", "11β"],
  ["A", "<", "a"],
  ["", "<", "0"],
  ["0.", ">", "0"],
  ["0.0", ">", "0"],
  ["0", ">", "~"],
  ["", ">", "~"],
  ["1_", "==", "1"],
  ["_1", "==", "1"],
  ["1_", "<", "1.2"],
  ["1_2_3", ">", "1.3.3"],
  ["1+", "==", "1"],
  ["+1", "==", "1"],
  ["1+", "<", "1.2"],
  ["1+2+3", ">", "1.3.3"],
];

test("compareVersions() orders the examples of the specification", () => {
  for (const [a, relation, b] of EXAMPLES) {
    const expected = { "<": -1, "==": 0, ">": 1 }[relation];
    assert.equal(sign(a, b), expected, `${a} ${relation} ${b}`);
    assert.equal(sign(b, a) || 0, -expected || 0, `${b} and ${a}`);
  }
});

test("compareVersions() orders kernel releases by age", () => {
  const releases = [
    "",
    "4.19.0-27-amd64",
    "6.9.12-200.fc40.aarch64",
    "6.10~rc3-arm64",
    "6.10.0-rc1",
    "6.10.0^20240801",
    "6.10.11-amd64",
    "6.12.48+deb13-arm64",
    "6.12.107+deb13-arm64",
    "6.12.107+deb13-arm64-16k",
    "10.0",
  ];
  for (const [i, a] of releases.entries()) {
    for (const [j, b] of releases.entries()) {
      assert.equal(sign(a, b) || 0, Math.sign(i - j) || 0, `${a} and ${b}`);
    }
  }
});

test("compareVersions() compares numbers of any length", () => {
  const many = "9".repeat(400);
  assert.equal(sign(`1.${many}`, `1.1${many}`), -1);
  assert.equal(sign(`1.000${many}`, `1.${many}`), 0);
});
