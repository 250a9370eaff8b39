import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { fittingProfiles, matchProbe, probeVariables } from "./match.ts";
import type { ProbeStep } from "./profile.ts";

const V = "fastboot.getvar";
const FAIL = undefined;

const CASES: [step: ProbeStep, answer: string | undefined, holds: boolean][] = [
  [{ [V]: "v", equals: "a" }, "a", true],
  [{ [V]: "v", equals: "a" }, "a ", false],
  [{ [V]: "v", equals: "a" }, "A", false],
  [{ [V]: "v", equals: "a" }, FAIL, false],
  [{ [V]: "v", equals: "" }, "", true],
  [{ [V]: "v", equals: "" }, FAIL, false],
  [{ [V]: "v", starts_with: "ab" }, "abc", true],
  [{ [V]: "v", starts_with: "ab" }, "ab", true],
  [{ [V]: "v", starts_with: "ab" }, "xab", false],
  [{ [V]: "v", starts_with: "" }, FAIL, false],
  [{ [V]: "v", not_equals: "a" }, "b", true],
  [{ [V]: "v", not_equals: "a" }, "", true],
  [{ [V]: "v", not_equals: "a" }, "a", false],
  [{ [V]: "v", not_equals: "a" }, FAIL, false],
  [{ [V]: "v", exists: null }, "a", true],
  [{ [V]: "v", exists: null }, "", false],
  [{ [V]: "v", exists: null }, " \t", false],
  [{ [V]: "v", exists: null }, " Unknown ", false],
  [{ [V]: "v", exists: null }, "unknown2", true],
  [{ [V]: "v", exists: null }, FAIL, false],
  [{ [V]: "v", not_exists: null }, "a", false],
  [{ [V]: "v", not_exists: null }, "", true],
  [{ [V]: "v", not_exists: null }, "UNKNOWN", true],
  [{ [V]: "v", not_exists: null }, FAIL, true],
];
for (const [step, answer, holds] of CASES) {
  const said = answer === FAIL ? "FAIL" : JSON.stringify(answer);
  test(`matchProbe(): ${JSON.stringify(step)} ${holds ? "holds" : "fails"} for ${said}`, () => {
    const answers = new Map(answer === FAIL ? [] : [["v", answer]]);
    const match = matchProbe({ probe: [step] }, answers);
    assert.deepEqual(
      match,
      holds
        ? { fits: true }
        : { fits: false, step, ...answer === FAIL ? {} : { answer } },
    );
  });
}

test("matchProbe() tells the first step that fails", () => {
  const probe: ProbeStep[] = [
    { [V]: "product", equals: "a" },
    { [V]: "variant", equals: "b" },
    { [V]: "serialno", exists: null },
  ];
  const answers = new Map([["product", "a"], ["variant", "x"]]);
  assert.deepEqual(matchProbe({ probe }, answers), {
    fits: false,
    step: probe[1],
    answer: "x",
  });
  assert.deepEqual(matchProbe({ probe: [] }, answers), { fits: true });
});

test("matchProbe() has a variable either exist or not", () => {
  fc.assert(fc.property(fc.option(fc.string(), { nil: undefined }), (value) => {
    const answers = new Map(value === undefined ? [] : [["v", value]]);
    const fits = (step: ProbeStep) =>
      matchProbe({ probe: [step] }, answers).fits;
    assert.notEqual(
      fits({ [V]: "v", exists: null }),
      fits({ [V]: "v", not_exists: null }),
    );
  }));
});

test("fittingProfiles() gives all that fit", () => {
  const a = { probe: [{ [V]: "product", equals: "a" }] as const };
  const b = { probe: [{ [V]: "product", starts_with: "a" }] as const };
  const c = { probe: [{ [V]: "product", not_equals: "a" }] as const };
  const answers = new Map([["product", "a"]]);
  assert.deepEqual(fittingProfiles([c, b, a], answers), [b, a]);
  assert.deepEqual(fittingProfiles([a], new Map()), []);
  assert.deepEqual(probeVariables([a, b, c]), ["product"]);
});
