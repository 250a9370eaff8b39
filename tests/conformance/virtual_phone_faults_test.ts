/**
 * The tables of faults in docs/VIRTUAL-PHONE.md, cell by cell.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { parseFault } from "../../src/phone/fault_text.ts";
import { ODD_DESCRIPTORS } from "../../src/phone/odd_descriptors.ts";
import { startBoot } from "../support/boot_world.ts";
import {
  bootUntilServed,
  BRIEF,
  FaultPhone,
  faultProfile,
  SILENT,
} from "../support/fault_phone.ts";
import { quoted, readTable } from "../support/markdown_table.ts";
import { READ } from "../support/smoo_gadget.ts";
import { isRight } from "../support/smoo_serving.ts";
import { WatchedPhone, withFastboot } from "../support/virtual_phone.ts";

const FILE = "VIRTUAL-PHONE.md";
const GOES_ON = "–", NEVER = "·";

/** Boots a phone with a fault, and once more when that failed; compares with a cell. */
async function expectEnd(
  fault: string,
  cell: string,
  usableAfterwards: boolean,
): Promise<void> {
  const phone = new FaultPhone([fault]);
  try {
    const { codes, events } = await bootUntilServed(phone, {
      ...cell.includes("boot.no-phone") ? BRIEF : {},
      ...cell.includes("fastboot.timeout") ? SILENT : {},
    });
    assert.deepEqual(codes, cell === GOES_ON ? [] : quoted(cell));
    if (cell === GOES_ON) return;
    const last = events.at(-1)!;
    assert.ok(last.type === "done" && !last.ok, "which is exit code 1");
    if (!usableAfterwards) return;
    const again = await bootUntilServed(phone, { resume: true });
    assert.deepEqual(again.codes, []);
  } finally {
    await phone.stop();
  }
}

/** As users write it, to happen once. */
function once(at: string, fault: string): string {
  const [kind, value] = fault.split("=");
  return `${at}:${kind}*1${value === undefined ? "" : `=${value}`}`;
}

for (const { Fault, ...cells } of readTable(FILE, "Fault")) {
  const [kind] = quoted(Fault!);
  for (const [column, cell] of Object.entries(cells)) {
    const fault = once(quoted(column)[0]!, kind!);
    if (cell === NEVER) {
      test(`a virtual phone takes no ${fault}`, () => {
        assert.throws(() => parseFault(fault), /cannot happen at/);
      });
      continue;
    }
    test(`a virtual phone with ${fault}: ${cell}`, async () => {
      await expectEnd(fault, cell, true);
    });
  }
}

const odd = readTable(FILE, "Descriptors");

test("each kind of odd descriptors stands in the table", () => {
  const found = odd.map(({ Descriptors }) => quoted(Descriptors!)[0]);
  assert.deepEqual(found, ODD_DESCRIPTORS);
});

for (const row of odd) {
  const [kind] = quoted(row["Descriptors"]!);
  const cell = row["`fastboop boot`"]!;
  test(`a virtual phone with descriptors ${kind}: ${cell}`, async () => {
    await expectEnd(`usb:descriptors=${kind}`, cell, false);
    await expectEnd(`usb:descriptors*1=${kind}`, cell, false);
  });
}

for (const row of readTable(FILE, "Booted phone")) {
  const [fault] = quoted(row["Booted phone"]!);
  const [at, kind] = fault!.split(":");
  const events = quoted(row["`fastboop boot`"]!);
  test(`a virtual phone with ${fault}: ${events.join(", ") || GOES_ON}`, async () => {
    const phone = new FaultPhone([once(at!, kind!)]);
    const boot = startBoot(phone, { profiles: [faultProfile()] });
    try {
      await boot.seen("connected");
      for (let i = 0; i < 32; i++) {
        const bytes = await phone.gadget.request(READ, i, 8);
        assert.ok(isRight(bytes, i * 4096));
      }
      for (const type of events) await boot.seen(type as "link-lost");
      assert.deepEqual(phone.gadget.problems, []);
      await boot.stop();
      const told = boot.events.map(({ type }) => type)
        .filter((type) => type === "link-lost" || type === "link-back");
      assert.deepEqual(told, events);
    } finally {
      await boot.stop();
      await phone.stop();
    }
  });
}

test("a slow cable of a virtual phone carries no more than it may", async () => {
  const phone = await WatchedPhone.start({ bytesPerSecond: 2_000_000 });
  try {
    const began = performance.now();
    const image = new Uint8Array(1_500_000).fill(7);
    await withFastboot(phone.bus(), (client) => client.download(image));
    const ms = performance.now() - began;
    assert.ok(ms > 700, `${ms}`);
  } finally {
    await phone.stop();
  }
});
