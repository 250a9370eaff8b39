import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import test from "node:test";
import { isCoded } from "../../errors.ts";
import { fdtGet } from "../../wasm/fdt.ts";
import { checkDtb, describeDtb } from "./describe.ts";
import { MAX_DTB_SIZE } from "./errors.ts";
import { injectMac, makeMac } from "./mac.ts";
import { applyOverlays, type Overlay } from "./overlay.ts";

const FOLDER = new URL("../../../tests/fixtures/fdt/", import.meta.url);

function fixture(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(name, FOLDER)));
}

function overlay(name: string): Overlay {
  return { name, bytes: fixture(name) };
}

const hex = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("hex");

/** Demands a coded error whose message says so. */
async function fails(
  promise: Promise<unknown>,
  code: string,
  message: RegExp | string,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isCoded(error), String(error));
    assert.equal(error.code, code, error.message);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

const BASE = fixture("base.dtb");
const PLAIN = fixture("plain.dtb");

test("describeDtb() tells model, compatible and whether there are labels", async () => {
  assert.deepEqual(await describeDtb(BASE), {
    size: BASE.length,
    model: "Maker Phone One",
    compatible: ["maker,phone-one", "qcom,sdm845"],
    symbols: true,
  });
  assert.equal((await describeDtb(PLAIN)).symbols, false);
});

test("describeDtb() gives no model for a tree that has none", async () => {
  const facts = await describeDtb(fixture("path.dtbo"));
  assert.deepEqual(facts, { size: 186, compatible: [], symbols: false });
});

test("checkDtb() gives the tree without what follows it", async () => {
  const padded = new Uint8Array(BASE.length + 100).fill(0xee);
  padded.set(BASE);
  assert.deepEqual(await checkDtb(padded), BASE);
});

test("checkDtb() says what is wrong with a tree", async () => {
  await fails(
    checkDtb(new TextEncoder().encode("<html>".padEnd(64)), { name: "a.dtb" }),
    "fdt.bad-magic",
    'Cannot read device tree "a.dtb": magic is 0x3c68746d, expected 0xd00dfeed',
  );
  await fails(
    checkDtb(BASE.subarray(0, 900), { name: "a.dtb" }),
    "fdt.truncated",
    'Cannot read device tree "a.dtb": it ends within 900 bytes, expected more (libfdt: FDT_ERR_TRUNCATED); the file may be cut short',
  );
  const huge = BASE.slice();
  new DataView(huge.buffer).setUint32(4, 0x7fffffff);
  await fails(checkDtb(huge), "fdt.truncated", /cut short/);
  const old = BASE.slice();
  new DataView(old.buffer).setUint32(20, 1);
  await fails(checkDtb(old), "fdt.unsupported", /version 16 or 17/);
  await fails(
    checkDtb(new Uint8Array(MAX_DTB_SIZE + 1)),
    "fdt.too-large",
    /it has 4194305 bytes, expected at most 4194304/,
  );
  await fails(checkDtb(nested(65)), "fdt.too-deep", /at most 64 levels/);
  assert.equal((await checkDtb(nested(64))).length, nested(64).length);
});

test("applyOverlays() makes what fdtoverlay makes, byte for byte", async () => {
  const both = [overlay("labels.dtbo"), overlay("second.dtbo")];
  assert.equal(
    hex(await applyOverlays(BASE, both)),
    hex(fixture("both.dtb")),
  );
  assert.equal(
    hex(await applyOverlays(PLAIN, [overlay("path.dtbo")])),
    hex(fixture("plain-path.dtb")),
  );
});

test("applyOverlays() leaves its inputs as they are, and a tree without overlays", async () => {
  const labels = overlay("labels.dtbo");
  const before = hex(labels.bytes);
  await applyOverlays(BASE, [labels]);
  assert.equal(hex(labels.bytes), before);
  assert.equal(hex(BASE), hex(fixture("base.dtb")));
  const same = await applyOverlays(BASE, []);
  assert.deepEqual(same, BASE);
  assert.notEqual(same.buffer, BASE.buffer);
});

test("applyOverlays() says which overlay fails, and for want of what", async () => {
  const apply = (base: Uint8Array, ...names: string[]) =>
    applyOverlays(base, names.map(overlay), { name: "phone.dtb" });
  await fails(
    apply(PLAIN, "labels.dtbo"),
    "fdt.no-symbols",
    'Cannot apply overlay "labels.dtbo" to "phone.dtb": the base has no __symbols__ to find label "i2c" in (FDT_ERR_NOTFOUND); use a base made with "dtc -@", or an overlay with target-path',
  );
  await fails(
    apply(BASE, "labels.dtbo", "unknown-label.dtbo"),
    "fdt.no-label",
    'Cannot apply overlay "unknown-label.dtbo" (2 of 2) to "phone.dtb": the base has no label "flash_led" (FDT_ERR_NOTFOUND); check that the overlay is made for this device',
  );
  await fails(
    apply(BASE, "unknown-path.dtbo"),
    "fdt.no-target",
    'Cannot apply overlay "unknown-path.dtbo" to "phone.dtb": the base has no node "/soc/flash@9000" (FDT_ERR_NOTFOUND); check that the overlay is made for this device',
  );
  // its label and its path come with labels.dtbo
  await fails(apply(BASE, "second.dtbo"), "fdt.no-label", /label "touch"/);
  await fails(
    apply(BASE, "plain.dtb"),
    "fdt.empty-overlay",
    /"plain\.dtb" to "phone\.dtb": none of its nodes has an __overlay__/,
  );
  await fails(
    applyOverlays(BASE, [{ name: "cut.dtbo", bytes: BASE.subarray(0, 99) }]),
    "fdt.truncated",
    /"cut\.dtbo"/,
  );
});

test("applyOverlays() refuses offsets in fixups that lie outside their property", async () => {
  const find = (bytes: Uint8Array, text: string) =>
    Buffer.from(bytes).indexOf(text);
  const fixups = overlay("labels.dtbo");
  const at = find(fixups.bytes, "reset-gpios:12");
  assert.ok(at > 0);
  fixups.bytes.set(new TextEncoder().encode("reset-gpios:99"), at);
  await fails(
    applyOverlays(BASE, [fixups]),
    "fdt.bad-fixup",
    /its __fixups__ for "gpio" name a place that it does not have/,
  );

  // libfdt adds this number to a pointer and writes there.
  const local = overlay("labels.dtbo");
  const view = new DataView(local.bytes.buffer);
  const start = find(local.bytes, "__local_fixups__");
  let zeros = 0;
  for (
    let word = (start + 20) & ~3;
    word < local.bytes.length - 16;
    word += 4
  ) {
    // FDT_PROP of 4 bytes whose value is offset 0
    if (view.getUint32(word) !== 3 || view.getUint32(word + 4) !== 4) continue;
    if (view.getUint32(word + 12) !== 0) continue;
    zeros++;
    for (const offset of [1, 4, 0x7ffffff0, 0x80000000, 0xfffffffc]) {
      view.setUint32(word + 12, offset);
      await fails(
        applyOverlays(BASE, [local]),
        "fdt.bad-fixup",
        /its __local_fixups__ for "(panel|touch)"/,
      );
    }
    view.setUint32(word + 12, 0);
  }
  assert.equal(zeros, 2);
});

test("applyOverlays() stops between overlays when its signal does", async () => {
  const reason = new Error("enough");
  await assert.rejects(
    applyOverlays(BASE, [overlay("labels.dtbo")], {
      signal: AbortSignal.abort(reason),
    }),
    (error) => error === reason,
  );
});

test("makeMac() makes the addresses that the reference makes", () => {
  const wifi = { kind: "wifi", compatible: "qcom,wcn3990-wifi" } as const;
  assert.equal(hex(makeMac({ ...wifi, seed: "0" })), "4e508b04a94b");
  assert.equal(hex(makeMac({ ...wifi, seed: "deadbeef" })), "9a023b902f76");
});

test("injectMac() sets the address of the first node with that compatible", async () => {
  const tree = await injectMac(BASE, {
    kind: "wifi",
    compatible: "qcom,wcn3990-wifi",
    seed: "deadbeef",
  });
  const at = (path: string) => fdtGet(tree, { path }, "local-mac-address");
  assert.equal(hex(await at("/soc/wifi@4000")), "9a023b902f76");
  assert.equal(await at("/soc/wifi@5000"), undefined);
  // the property was there, so nothing else has changed
  assert.equal(tree.length, BASE.length);
});

test("injectMac() adds a Bluetooth address with its bytes reversed", async () => {
  const tree = await injectMac(PLAIN, {
    kind: "bluetooth",
    compatible: "qcom,wcn3990-bt",
    seed: "deadbeef",
  });
  const path = "/soc/serial@3000/bluetooth";
  assert.equal(
    hex(await fdtGet(tree, { path }, "local-bd-address")),
    "9f59e3bd05b2",
  );
  assert.deepEqual(await describeDtb(tree), {
    ...await describeDtb(PLAIN),
    size: tree.length,
  });
});

test("injectMac() names the compatible that no node has", async () => {
  await fails(
    injectMac(PLAIN, { kind: "wifi", compatible: "qcom,wcn6855", seed: "0" }, {
      name: "phone.dtb",
    }),
    "fdt.no-node",
    'Cannot give wifi an address in "phone.dtb": no node is compatible with "qcom,wcn6855" (FDT_ERR_NOTFOUND); see which compatible its node has',
  );
});

/** A tree of so many levels, the root among them. */
function nested(levels: number): Uint8Array<ArrayBuffer> {
  const size = 56 + 8 + (levels - 1) * 8 + levels * 4 + 4;
  const tree = new Uint8Array(size);
  const view = new DataView(tree.buffer);
  const header = [0xd00dfeed, size, 56, size, 40, 17, 16, 0, 0, size - 56];
  header.forEach((value, at) => view.setUint32(at * 4, value));
  let at = 56;
  for (let level = 0; level < levels; level++) {
    view.setUint32(at, 1);
    if (level > 0) tree[at + 4] = 0x61;
    at += 8;
  }
  for (let level = 0; level < levels; level++, at += 4) view.setUint32(at, 2);
  view.setUint32(at, 9);
  return tree;
}
