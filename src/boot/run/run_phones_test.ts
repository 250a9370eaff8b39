import assert from "node:assert/strict";
import { test } from "node:test";
import { madeFiles, madeProfile } from "../../../tests/support/boot_image.ts";
import {
  BootingPhone,
  FakeWorld,
  startBoot,
  typesOf,
} from "../../../tests/support/boot_world.ts";
import { READ } from "../../../tests/support/smoo_gadget.ts";
import { isRight } from "../../../tests/support/smoo_serving.ts";
import type { BootEvent } from "./events.ts";
import type { PhoneSelection } from "./options.ts";

function failed(events: readonly BootEvent[]) {
  return events.flatMap((event) =>
    event.type === "failed" ? [[event.phone, event.code]] : []
  );
}

/** The serial number that stage0 of an image was told. */
function serialIn(image: Uint8Array | undefined): string | undefined {
  const text = new TextDecoder("latin1").decode(image);
  return /stage0\.serial\0+([ -~]+)/.exec(text)?.[1];
}

test("runBoot() waits for a phone and makes the boot image meanwhile", async () => {
  const bus = new FakeWorld();
  const boot = startBoot(bus);
  await boot.seen("building", ({ part }) => part === "compress-kernel");
  const waiting = await boot.seen("waiting");
  assert.deepEqual(waiting.profiles, ["made-phone"]);
  new BootingPhone(bus, { serialNumber: "0123" });
  await boot.seen("connected");
  const parts = boot.events.flatMap((event) =>
    event.type === "building" ? [[event.phone, event.part]] : []
  );
  assert.deepEqual(parts, [
    [undefined, "kernel"],
    [undefined, "modules"],
    [undefined, "device-tree"],
    [undefined, "initramfs"],
    [undefined, "compress-kernel"],
    ["0123", "initramfs"],
    ["0123", "boot-image"],
  ]);
  await boot.stop();
});

test("runBoot() ends before it touches a phone when the image cannot boot", async () => {
  const bus = new FakeWorld();
  const files = madeFiles({ "/boot/vmlinuz-6.99.0-made+1-arm64": undefined });
  const boot = startBoot(bus, {
    image: { files, exports: [] },
  });
  await boot.done;
  assert.deepEqual(failed(boot.events), [[undefined, "kernel.not-found"]]);
  assert.equal(boot.events.at(-1)!.type, "done");
});

for (const waitMs of [0, 5000]) {
  test(`runBoot() ends with boot.no-phone after ${waitMs} ms without one`, async () => {
    const bus = new FakeWorld();
    const boot = startBoot(bus, {
      waitMs,
      phones: { serialNumbers: ["0123"] },
    });
    const other = new BootingPhone(bus, { serialNumber: "4567" });
    await boot.done;
    assert.deepEqual(failed(boot.events), [[undefined, "boot.no-phone"]]);
    const { facts } = await boot.seen("failed");
    assert.equal(facts["missing"], "0123");
    assert.deepEqual(other.commands, []);
    assert.ok(other.closed);
  });
}

test("runBoot() passes over phones of other makes and those that run already, and says why", async () => {
  const bus = new FakeWorld();
  const other = new BootingPhone(bus, {
    serialNumber: "other",
    variables: { product: "else" },
  });
  const running = new BootingPhone(bus, { serialNumber: "running" });
  running.unplug();
  running.enterGadget();
  const profile = {
    ...madeProfile(),
    probe: [{ "fastboot.getvar": "product", equals: "made" }],
  };
  const boot = startBoot(bus, { profiles: [profile] });
  await boot.seen("waiting");
  new BootingPhone(bus, {
    serialNumber: "0123",
    variables: { product: "made" },
  });
  await boot.seen("connected", ({ phone }) => phone === "0123");
  const passed = boot.events.flatMap((event) =>
    event.type === "passed-over"
      ? [[event.phone, event.reason, ...event.details]]
      : []
  ).sort();
  assert.deepEqual(passed, [
    [
      "other",
      "no-profile",
      'made-phone: "product" is "else", expected "made"',
    ],
    [
      "running",
      "already-booted",
      "It runs from an image already; restart it in fastboot mode, or resume serving it",
    ],
  ]);
  assert.ok(other.closed && running.closed);
  assert.equal(running.gadget.device!.calls.length, 0);
  await boot.stop();
});

test("runBoot() does not choose between phones", async () => {
  const bus = new FakeWorld();
  const phones = ["0123", "4567"].map((serialNumber) =>
    new BootingPhone(bus, { serialNumber })
  );
  const boot = startBoot(bus);
  await boot.done;
  assert.deepEqual(failed(boot.events), [[undefined, "boot.several-phones"]]);
  for (const phone of phones) {
    assert.deepEqual(phone.commands, []);
    assert.ok(phone.closed);
  }
});

test("runBoot() boots the one of several phones that is chosen", async () => {
  const bus = new FakeWorld();
  const [, other] = ["0123", "4567"].map((serialNumber) =>
    new BootingPhone(bus, { serialNumber })
  );
  const boot = startBoot(bus, {
    choosePhones(phones) {
      assert.deepEqual(phones.map(({ phone }) => phone), ["0123", "4567"]);
      return Promise.resolve(["0123"]);
    },
  });
  await boot.seen("connected");
  assert.deepEqual(typesOf(boot.events, "4567"), [
    "found",
    "probing",
    "passed-over",
  ]);
  assert.ok(other!.closed);
  assert.equal(other!.image, undefined);
  await boot.stop();
});

test("runBoot() boots the profile that is chosen", async () => {
  const bus = new FakeWorld();
  new BootingPhone(bus, { serialNumber: "0123" });
  const boot = startBoot(bus, {
    profiles: [madeProfile(), { ...madeProfile(), id: "made-other" }],
    chooseProfile: ({ profiles }) => Promise.resolve(profiles[1]!.id),
  });
  const { profile, by } = await boot.seen("identified");
  assert.deepEqual([profile, by], ["made-other", "chosen"]);
  await boot.seen("connected");
  await boot.stop();
});

const SELECTIONS: readonly (readonly [string, PhoneSelection])[] = [
  ["all", { all: true }],
  ["by serial number", { serialNumbers: ["0123", "4567"] }],
  ["by port", { ports: ["1-1", "1-2"] }],
];
for (const [how, phones] of SELECTIONS) {
  test(`runBoot() boots several phones, chosen ${how}, from one reader; one that fails ends no other`, async () => {
    const bus = new FakeWorld();
    const good = new BootingPhone(bus, { serialNumber: "0123", port: "1-1" });
    const bad = new BootingPhone(bus, {
      serialNumber: "4567",
      port: "1-2",
      faults: [{ at: "boot", fail: "no" }],
    });
    const boot = startBoot(bus, { phones, goneMs: 4000 });
    await boot.seen("failed");
    await boot.seen("connected", ({ phone }) => phone === "0123");
    const bytes = await good.gadget.request(READ, 7, 1);
    assert.ok(isRight(bytes, 7 * 4096));
    good.unplug();
    await boot.done;
    assert.deepEqual(failed(boot.events), [["4567", "fastboot.failed"]]);
    assert.deepEqual({ ...boot.events.at(-1), ms: 0 }, {
      type: "done",
      ms: 0,
      finished: ["0123"],
      failed: ["4567"],
      ok: false,
    });
    const last = await boot.seen("finished");
    assert.deepEqual([last.reason, last.phoneNeedsHost], ["gone", true]);
    assert.ok(good.closed && bad.closed);
    assert.equal(serialIn(good.image), "0123");
  });
}

test("runBoot() tells phones of the same name apart by their ports", async () => {
  for (const serialNumber of ["0123456789ABCDEF", undefined]) {
    const bus = new FakeWorld();
    const phones = ["1-1", "1-2"].map((port) =>
      new BootingPhone(bus, { serialNumber, port })
    );
    const boot = startBoot(bus, { phones: { all: true } });
    const names = serialNumber === undefined
      ? ["18d1:d00d@1-1", "18d1:d00d@1-2"]
      : [serialNumber, "18d1:d00d@1-2"];
    for (const [i, name] of names.entries()) {
      const { device } = await boot.seen(
        "connected",
        ({ phone }) => phone === name,
      );
      assert.equal(device.port, ["1-1", "1-2"][i]);
      const bytes = await phones[i]!.gadget.request(READ, i, 1);
      assert.ok(isRight(bytes, i * 4096));
    }
    await boot.stop();
    assert.ok(phones.every(({ closed }) => closed));
  }
});

test("runBoot() serves a phone again after its cable was pulled, its session changed, and until it is restarted", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, { serialNumber: "0123" });
  const boot = startBoot(bus);
  const { session } = await boot.seen("connected");
  assert.equal(session, "1122334455667788");
  phone.unplug();
  const lost = await boot.seen("link-lost");
  assert.equal(lost.error.code, "smoo.lost");
  phone.enterGadget();
  const back = await boot.seen("link-back");
  assert.equal(back.session, session);
  assert.ok(isRight(await phone.gadget.request(READ, 1, 1), 4096));

  phone.gadget.sessionId = 5n;
  await boot.seen("link-back", ({ session }) => session.endsWith("5"));

  phone.unplug();
  phone.enterBootloader();
  const finished = await boot.seen("finished");
  assert.equal(finished.reason, "restarted");
  assert.equal(finished.phoneNeedsHost, false);
  await boot.done;
  const done = boot.events.at(-1)!;
  assert.ok(done.type === "done" && done.ok);
  assert.ok(phone.closed);
  assert.deepEqual(phone.commands, []);
});

test("runBoot() tells of reads that fail and goes on", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, { serialNumber: "0123" });
  const reader = {
    name: "broken",
    identity: "broken",
    blockSize: 512,
    size: 1 << 20,
    read: () => Promise.reject(new Error("The disk is gone")),
  };
  const boot = startBoot(bus, {}, [{ reader, blockSize: 4096 }]);
  await boot.seen("connected");
  await assert.rejects(phone.gadget.request(READ, 0, 1), { errno: 5 });
  const { operation, errno, error } = await boot.seen("request-failed");
  assert.deepEqual([operation, errno, error.message], [
    "read",
    5,
    "The disk is gone",
  ]);
  await boot.stop();
});

test("runBoot() finds a phone that was plugged in again while it was asked", async () => {
  const bus = new FakeWorld();
  const first = new BootingPhone(bus, {
    serialNumber: "0123",
    faults: [{ at: "getvar:product", unplug: 0 }],
  });
  const profile = {
    ...madeProfile(),
    probe: [{ "fastboot.getvar": "product", equals: "made" }],
  };
  const boot = startBoot(bus, { profiles: [profile] });
  await boot.seen("passed-over", ({ reason }) => reason === "not-answering");
  assert.ok(first.closed);
  new BootingPhone(bus, {
    serialNumber: "0123",
    variables: { product: "made" },
  });
  const { phone } = await boot.seen("connected");
  assert.equal(phone, "0123");
  await boot.stop();
});

test("runBoot() ends with usb.disconnected when the phone leaves while its boot image is made", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, { serialNumber: "0123" });
  const files = madeFiles();
  let unblock = () => {};
  const blocked = new Promise<void>((resolve) => unblock = resolve);
  const { open } = files.source;
  files.source.open = (file) => {
    const reader = open(file);
    return {
      ...reader,
      name: reader.name,
      size: reader.size,
      blockSize: reader.blockSize,
      identity: reader.identity,
      read: async (...args) => {
        await blocked;
        return await reader.read(...args);
      },
    };
  };
  const boot = startBoot(bus, { image: { files, exports: [] } });
  await boot.seen("identified");
  phone.unplug();
  await boot.seen("failed");
  unblock();
  await boot.done;
  assert.deepEqual(failed(boot.events), [["0123", "usb.disconnected"]]);
  assert.ok(phone.closed);
});
