import assert from "node:assert/strict";
import test from "node:test";
import { ProfileError } from "../errors.ts";
import { BUILTIN_PROFILES } from "./builtin.ts";
import { fittingProfiles } from "./match.ts";
import { candidates, createPool, indistinguishable } from "./pool.ts";
import type { DeviceProfile } from "./profile.ts";

const pool = createPool({ builtin: BUILTIN_PROFILES });
const fajita = pool.get("oneplus-fajita").profile;
const named = (changes: Partial<DeviceProfile>): DeviceProfile => ({
  ...fajita,
  ...changes,
});

test("the pool has the eight phones and the virtual ones", () => {
  assert.deepEqual(pool.entries.map(({ profile }) => profile.id), [
    "arrow-db410c",
    "google-sargo",
    "oneplus-enchilada",
    "oneplus-fajita",
    "samsung-gt510",
    "shift-axolotl",
    "virtual-phone-arm64",
    "virtual-phone-arm64-superspeed",
    "virtual-phone-x86_64",
    "xiaomi-beryllium-ebbg",
    "xiaomi-beryllium-tianma",
  ]);
});

test("createPool() prefers local to channel to built-in", () => {
  const local = { profile: named({ display_name: "mine" }), source: "a.yaml" };
  const channel = { profile: named({ display_name: "its" }), source: "c" };
  const origin = (sources: Parameters<typeof createPool>[0]) =>
    createPool(sources).get("oneplus-fajita").origin;
  const builtin = BUILTIN_PROFILES;
  assert.equal(origin({ builtin }), "built-in");
  assert.equal(origin({ builtin, channel: [channel] }), "channel");
  assert.equal(
    origin({ builtin, channel: [channel], local: [local] }),
    "local",
  );
  assert.equal(createPool({ builtin, local: [local] }).entries.length, 11);
});

test("createPool() refuses one id in two local files", () => {
  const local = [
    { profile: fajita, source: "a.yaml" },
    { profile: fajita, source: "b.yaml" },
  ];
  assert.throws(() => createPool({ local }), {
    code: "profile.duplicate-id",
    message:
      'Cannot use device profile "b.yaml": its id "oneplus-fajita" is that of ' +
      '"a.yaml", expected another; rename or remove one of them',
  });
});

test("pool.get() tells the nearest id", () => {
  assert.throws(() => pool.get("oneplus-fajta"), (error) => {
    assert.ok(error instanceof ProfileError);
    assert.equal(error.code, "profile.unknown-id");
    assert.equal(error.facts["nearest"], "oneplus-fajita");
    assert.match(error.message, /did you mean "oneplus-fajita"\?$/);
    return true;
  });
  assert.throws(() => createPool({}).get("x"), { code: "profile.unknown-id" });
});

const ids = (entries: { profile: DeviceProfile }[]) =>
  entries.map(({ profile }) => profile.id);

test("candidates() compares both ids", () => {
  assert.deepEqual(ids(candidates(pool, { vid: 0x18d1, pid: 0x4ee0 })), [
    "google-sargo",
  ]);
  assert.equal(candidates(pool, { vid: 0x18d1, pid: 0xd00d }).length, 10);
  assert.deepEqual(candidates(pool, { vid: 0xd00d, pid: 0x18d1 }), []);
});

test("indistinguishable() tells the phones whose owner has to choose", () => {
  assert.deepEqual(indistinguishable(pool).map(ids), [
    ["oneplus-enchilada", "oneplus-fajita"],
    ["xiaomi-beryllium-ebbg", "xiaomi-beryllium-tianma"],
  ]);
});

test("indistinguishable() does not look at the order of steps and devices", () => {
  const group = indistinguishable(createPool({
    builtin: [
      named({ id: "a" }),
      named({ id: "b", probe: [...fajita.probe].reverse() }),
      named({ id: "c", probe: [] }),
      named({ id: "d", match: [{ fastboot: { vid: 1, pid: 2 } }] }),
    ],
  }));
  assert.deepEqual(group.map(ids), [["a", "b"]]);
});

test("the answers of a OnePlus 6T fit both phones that answer so", () => {
  const answers = new Map([
    ["product", "sdm845"],
    ["partition-type:op2", "raw"],
    ["serialno", "12345678"],
  ]);
  const device = { vid: 0x18d1, pid: 0xd00d };
  const profiles = candidates(pool, device).map(({ profile }) => profile);
  assert.deepEqual(fittingProfiles(profiles, answers).map(({ id }) => id), [
    "oneplus-enchilada",
    "oneplus-fajita",
  ]);
  const shift = new Map([["product", "sdm845"], ["serialno", "S6MQ1"]]);
  assert.deepEqual(fittingProfiles(profiles, shift).map(({ id }) => id), [
    "shift-axolotl",
  ]);
});
