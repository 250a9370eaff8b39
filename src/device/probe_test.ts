import assert from "node:assert/strict";
import test from "node:test";
import { FastbootError } from "../fastboot/errors.ts";
import { BUILTIN_PROFILES } from "./builtin.ts";
import { candidates, createPool } from "./pool.ts";
import { describeMiss, Prober } from "./probe.ts";

const pool = createPool({ builtin: BUILTIN_PROFILES });
const ids = (profiles: readonly { readonly id: string }[]) =>
  profiles.map(({ id }) => id);

/** A bootloader that knows these variables. */
function bootloader(variables: Record<string, string>) {
  const asked: string[] = [];
  return {
    asked,
    getvar(variable: string): Promise<string> {
      asked.push(variable);
      const value = variables[variable];
      return value !== undefined
        ? Promise.resolve(value)
        : Promise.reject(new FastbootError("fastboot.failed", "no"));
    },
  };
}

function profilesOf(vid: number, pid: number) {
  return candidates(pool, { vid, pid }).map(({ profile }) => profile);
}

test("Prober finds all phones that cannot be told apart, and asks each variable once", async () => {
  const phone = bootloader({ product: "sdm845", "partition-type:op2": "raw" });
  const prober = new Prober(phone);
  const { matches, misses, asked } = await prober.probe(
    profilesOf(0x18d1, 0xd00d),
  );
  assert.deepEqual(ids(matches), ["oneplus-enchilada", "oneplus-fajita"]);
  assert.equal(
    matches.length + misses.length,
    profilesOf(0x18d1, 0xd00d).length,
  );
  assert.equal(new Set(phone.asked).size, phone.asked.length);
  // shift-axolotl asks for the serial number first, which this one does not know
  assert.deepEqual(
    [...asked],
    phone.asked.map((one) => [
      one,
      { product: "sdm845", "partition-type:op2": "raw" }[one],
    ]),
  );
  assert.ok(!phone.asked.includes("variant"), "a step behind one that fails");
  const before = phone.asked.length;
  await prober.probe(profilesOf(0x18d1, 0xd00d));
  assert.equal(phone.asked.length, before);
});

test("Prober tells one phone from all others", async () => {
  const phones: [id: string, variables: Record<string, string>][] = [
    ["arrow-db410c", { product: "MSM8916", variant: "SBC eMMC" }],
    ["samsung-gt510", {
      product: "lk2nd-msm8916",
      "lk2nd:compatible": "samsung,gt510wifi",
    }],
    ["shift-axolotl", { product: "sdm845", serialno: "S6MQ0001" }],
  ];
  for (const [id, variables] of phones) {
    const prober = new Prober(bootloader(variables));
    const { matches } = await prober.probe(profilesOf(0x18d1, 0xd00d));
    assert.deepEqual(ids(matches), [id]);
  }
});

test("Prober takes FAIL for a variable that does not exist", async () => {
  const V = "fastboot.getvar";
  const { matches } = await new Prober(bootloader({ product: "a" })).probe([
    { id: "without", probe: [{ [V]: "x", not_exists: null }] },
    { id: "with", probe: [{ [V]: "x", exists: null }] },
    { id: "other", probe: [{ [V]: "x", not_equals: "y" }] },
  ]);
  assert.deepEqual(ids(matches), ["without"]);
});

test("Prober says why a profile does not fit", async () => {
  const V = "fastboot.getvar";
  const wrong = [
    { [V]: "product", equals: "sdm845" },
    { [V]: "product", starts_with: "sdm" },
    { [V]: "product", not_equals: "sargo" },
    { [V]: "product", not_exists: null },
    { [V]: "nothing", exists: null },
  ] as const;
  const { misses } = await new Prober(bootloader({ product: "sargo" })).probe(
    wrong.map((step, at) => ({ id: `${at}`, probe: [step] })),
  );
  assert.deepEqual(misses.map(describeMiss), [
    '"product" is "sargo", expected "sdm845"',
    '"product" is "sargo", expected "sdm" at its start',
    '"product" is "sargo", expected anything but "sargo"',
    '"product" is "sargo", expected none',
    '"nothing" is not known to the bootloader, expected any value',
  ]);
});

test("Prober takes nothing but FAIL for an answer", async () => {
  const lost = new FastbootError("fastboot.lost", "gone");
  const prober = new Prober({ getvar: () => Promise.reject(lost) });
  await assert.rejects(
    prober.probe(BUILTIN_PROFILES),
    (error) => error === lost,
  );
});
