import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { mutate, randomNumbers } from "../../../tests/fuzz/mutate.ts";
import { isCoded } from "../../errors.ts";
import { describeDtb } from "./describe.ts";
import { injectMac } from "./mac.ts";
import { applyOverlays } from "./overlay.ts";

const FOLDER = new URL("../../../tests/fixtures/fdt/", import.meta.url);

function fixture(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(name, FOLDER)));
}

const BASE = fixture("base.dtb");
const OVERLAY = fixture("labels.dtbo");
const WIFI = { kind: "wifi", compatible: "qcom,wcn3990-wifi", seed: "0" };

/** A result or a coded error of ours: no trap, no bare error. Tells whether there was a result. */
async function survives(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    assert.ok(isCoded(error), String(error));
    assert.ok(error.code.startsWith("fdt."), error.message);
    return false;
  }
}

const useTree = async (tree: Uint8Array) => {
  await describeDtb(tree);
  await injectMac(tree, { ...WIFI, kind: "wifi" });
};
const apply = (base: Uint8Array, bytes: Uint8Array) =>
  applyOverlays(base, [{ name: "damaged.dtbo", bytes }]);

test("a tree cut short anywhere is refused as such", async () => {
  for (let size = 0; size < BASE.length; size++) {
    const cut = BASE.slice(0, size);
    assert.equal(await survives(() => useTree(cut)), false, `${size} bytes`);
  }
  for (let size = 0; size < OVERLAY.length; size++) {
    const cut = OVERLAY.slice(0, size);
    assert.equal(await survives(() => apply(BASE, cut)), false);
  }
});

test("a flipped bit anywhere gives a result or a coded error", async () => {
  let results = 0;
  // each bit of the header, then a third of them, another one of each byte
  const step = (bit: number) => bit < 56 * 8 ? 1 : 3;
  for (let bit = 0; bit < BASE.length * 8; bit += step(bit)) {
    const flipped = BASE.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    if (await survives(() => useTree(flipped))) results++;
    await survives(() => apply(flipped, OVERLAY));
  }
  for (let bit = 0; bit < OVERLAY.length * 8; bit += step(bit)) {
    const flipped = OVERLAY.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    if (await survives(() => apply(BASE, flipped))) results++;
  }
  assert.ok(results > 1500, `${results} results`);
});

test("several changes at once give a result or a coded error", async () => {
  const next = randomNumbers(7);
  const spots = [4, 8, 56, 600, 800, 1000];
  let results = 0;
  for (let round = 0; round < 4000; round++) {
    const base = round % 3 === 0 ? mutate(BASE, spots, next) : BASE;
    const overlay = round % 3 === 0 ? OVERLAY : mutate(OVERLAY, spots, next);
    if (await survives(() => apply(base, overlay))) results++;
  }
  assert.ok(results > 200, `${results} results`);
});
