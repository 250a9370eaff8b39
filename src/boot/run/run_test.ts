import assert from "node:assert/strict";
import { test } from "node:test";
import { madeFiles, madeProfile } from "../../../tests/support/boot_image.ts";
import {
  BootingPhone,
  type BootingPhoneOptions,
  FakeWorld,
  startBoot,
  typesOf,
} from "../../../tests/support/boot_world.ts";
import { READ } from "../../../tests/support/smoo_gadget.ts";
import { isRight } from "../../../tests/support/smoo_serving.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import { FastbootClient } from "../../fastboot/client.ts";
import { openFastbootUsb } from "../../fastboot/usb_transport.ts";
import { planBoot } from "../plan.ts";
import type { FastbootFault } from "../../phone/fastboot_faults.ts";
import type { BootEvent } from "./events.ts";
import type { BootOptions } from "./options.ts";

test("runBoot() boots the phone that is there and serves it, told as one stream of events", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, {
    serialNumber: "0123",
    port: "1-2",
    variables: { product: "made" },
    log:
      "6 00001.000000 mounted the root\n6 00002.000000 handing over to the system, 12 ms after /dev/ublkb0 was there\n",
  });
  const boot = startBoot(bus);
  await boot.seen("connected");
  const bytes = await phone.gadget.request(READ, 3, 2);
  assert.ok(isRight(bytes, 3 * 4096));
  const over = await boot.seen("handed-over");
  assert.match(over.line, /^handing over to the system/);
  const { statistics } = await boot.seen("serving");
  assert.equal(statistics.requests.read, 1);
  await boot.stop();

  // statistics come when there are some
  const told = boot.events.filter(({ type }) => type !== "serving");
  assert.deepEqual(typesOf(told, "0123"), [
    "found",
    "probing",
    "identified",
    "building",
    "built",
    "sending",
    "booting",
    "left",
    "waiting-for-gadget",
    "connected",
    "device-log",
    "handed-over",
    "finished",
  ]);
  const found = boot.events.find(({ type }) => type === "found");
  assert.deepEqual(found && { ...found, ms: 0 }, {
    type: "found",
    ms: 0,
    phone: "0123",
    device: {
      vendorId: 0x18d1,
      productId: 0xd00d,
      serialNumber: "0123",
      port: "1-2",
    },
  });
  const sending = boot.events.filter((event) => event.type === "sending");
  const { image } = await boot.seen("built");
  assert.equal(sending[0]!.bytes, 0);
  assert.equal(sending.at(-1)!.bytes, image.size);
  assert.ok(sending.every(({ total }) => total === image.size));
  const last = boot.events.at(-1)!;
  assert.deepEqual({ ...last, ms: 0 }, {
    type: "finished",
    ms: 0,
    phone: "0123",
    reason: "stopped",
    phoneNeedsHost: true,
  });
  assert.ok(phone.closed);
  assert.equal(bus.listening, false);

  const { bytes: expected } = await planBoot(madeFiles(), madeProfile(), {
    cmdline: {
      mimicFastboot: true,
      vendorId: 0x18d1,
      productId: 0xd00d,
      deviceSerial: "0123",
    },
  });
  assert.deepEqual(phone.image, expected);
  assert.deepEqual(phone.commands.map((command) => command.split(":")[0]), [
    "getvar", // max-download-size
    "download",
    "boot",
  ]);
});

/** Boots one phone that is there until all is over. */
async function bootOne(
  phone: BootingPhoneOptions,
  options: Partial<BootOptions> = {},
) {
  const bus = new FakeWorld();
  const booting = new BootingPhone(bus, { serialNumber: "0123", ...phone });
  const boot = startBoot(bus, options);
  await boot.done;
  assert.equal(bus.listening, false);
  assert.ok(booting.closed, "something was left open");
  return { bus, phone: booting, ...boot };
}

/** What failed and how it ended. */
function failures(events: readonly BootEvent[]) {
  return events.flatMap((event) =>
    event.type === "failed"
      ? [[event.phone, event.code, event.booted] as const]
      : []
  );
}

const FAULTS: readonly {
  readonly name: string;
  readonly phone?: BootingPhoneOptions;
  readonly options?: Partial<BootOptions>;
  readonly code: string;
  readonly booted?: boolean;
  /** It failed before it was known which phone it is. */
  readonly unknown?: boolean;
  /** The next program can talk to it. */
  readonly usable?: boolean;
  /** Last event about the phone before the failure. */
  readonly after: BootEvent["type"];
}[] = [
  {
    name: "the probe gets no sense",
    phone: { faults: [{ at: "getvar:product", instead: "WHAT" }] },
    options: { profiles: [probing("made")] },
    code: "fastboot.bad-reply",
    unknown: true,
    after: "probing",
  },
  {
    name: "the boot image is larger than the bootloader takes",
    phone: { maxDownloadSize: 4096 },
    code: "fastboot.too-large",
    usable: true,
    after: "built",
  },
  {
    name: "the bootloader refuses the download",
    phone: { faults: [{ at: "download", fail: "no memory" }] },
    code: "fastboot.failed",
    usable: true,
    after: "sending",
  },
  {
    name: "the bootloader announces another length",
    phone: { faults: [{ at: "download", announce: -512 }] },
    code: "fastboot.data-length",
    after: "sending",
  },
  {
    name: "the phone is unplugged within the data",
    phone: { faults: [{ at: "data", unplug: 20000 }] },
    code: "fastboot.lost",
    after: "sending",
  },
  {
    name: "the bootloader refuses what it has got",
    phone: { faults: [{ at: "image", fail: "bad check sum" }] },
    code: "fastboot.failed",
    usable: true,
    after: "sending",
  },
  {
    name: "the bootloader refuses to boot",
    phone: { faults: [{ at: "boot", fail: "unknown command" }] },
    code: "fastboot.failed",
    usable: true,
    after: "booting",
  },
  {
    name: "the bootloader stays",
    phone: { afterBoot: "stay" },
    code: "boot.not-leaving",
    booted: true,
    after: "booting",
  },
  {
    name: "the phone does not come back",
    phone: { afterBoot: "nothing" },
    options: { gadgetMs: 4000 },
    code: "boot.no-gadget",
    booted: true,
    after: "waiting-for-gadget",
  },
  {
    name: "another phone comes back",
    phone: { afterBoot: "stranger" },
    options: { gadgetMs: 4000 },
    code: "boot.no-gadget",
    booted: true,
    after: "waiting-for-gadget",
  },
  {
    name: "the phone comes back in its bootloader",
    phone: { afterBoot: "bootloader" },
    code: "boot.back-in-bootloader",
    booted: true,
    after: "waiting-for-gadget",
  },
  ...(["getvar", "download", "image", "boot"] as const).map((at) => ({
    name: `the bootloader says nothing to "${at}"`,
    phone: {
      faults: [{ at, silent: true as const }],
      afterBoot: "stay" as const,
    },
    // long enough for the commands that are answered
    options: { bootloader: { timeoutMs: 500, settleMs: 60 } },
    code: "fastboot.timeout",
    // whether it boots cannot be known
    booted: at === "boot",
    after: ({
      getvar: "built",
      download: "sending",
      image: "sending",
      boot: "booting",
    } as const)[at],
  })),
  ...(["download", "image", "boot"] as const).map((at) => ({
    name: `the bootloader talks nonsense to "${at}"`,
    phone: { faults: [{ at, instead: "\0\0" }] },
    code: "fastboot.bad-reply",
    booted: at === "boot",
    after: at === "boot" ? "booting" as const : "sending" as const,
  })),
  ...(["getvar", "download"] as const).map((at) => ({
    name: `the phone is unplugged at "${at}"`,
    phone: { faults: [{ at, unplug: 0 }] },
    code: "fastboot.lost",
    after: at === "getvar" ? "built" as const : "sending" as const,
  })),
  {
    name: "several profiles fit and nobody can be asked",
    options: { profiles: [probing("made"), madeProfile()] },
    phone: { variables: { product: "made" } },
    code: "boot.ambiguous-profile",
    usable: true,
    after: "probing",
  },
];

for (const fault of FAULTS) {
  test(`runBoot() ends with ${fault.code} when ${fault.name}`, async () => {
    const { phone = {}, options = {}, code, booted = false } = fault;
    const boot = await bootOne(phone, options);
    const name = fault.unknown ? undefined : "0123";
    assert.deepEqual(failures(boot.events), [[name, code, booted]]);
    const types = typesOf(boot.events);
    assert.deepEqual(types.slice(-2), ["failed", "done"]);
    assert.equal(
      typesOf(boot.events, "0123").filter((type) => type !== "failed").at(-1),
      fault.after,
    );
    const done = boot.events.at(-1)!;
    assert.ok(done.type === "done" && !done.ok);
    assert.deepEqual(done.failed, fault.unknown ? [] : ["0123"]);
    if (!fault.usable) return;
    const client = new FastbootClient(
      await openFastbootUsb(boot.phone.bootloader),
    );
    assert.equal(await client.getvar("version"), "0.4");
    await client.close();
  });
}

const HARMLESS: readonly (readonly [string, FastbootFault])[] = [
  ["talks before it answers", { at: "", before: ["INFOwait", "TEXTa"] }],
  ["stalls IN once", { at: "boot", stall: "in", times: 1 }],
  ["stalls OUT once", { at: "boot", stall: "out", times: 1 }],
  ["fills its answers up with NUL", { at: "", pad: 256 }],
  ["says nothing to boot", { at: "boot", silent: true }],
  ["takes its time", { at: "", delayMs: 20 }],
];
for (const [what, fault] of HARMLESS) {
  test(`runBoot() boots a phone whose bootloader ${what}`, async () => {
    const bus = new FakeWorld();
    new BootingPhone(bus, { serialNumber: "0123", faults: [fault] });
    const boot = startBoot(bus);
    await boot.seen("connected");
    await boot.stop();
    const said = boot.events.flatMap((event) =>
      event.type === "bootloader-message" ? [event.text] : []
    );
    assert.equal(said.includes("wait"), "before" in fault);
  });
}

test("runBoot() boots a phone that leaves before it has answered", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, {
    serialNumber: "0123",
    faults: [{ at: "boot", unplug: 0 }],
  });
  const boot = startBoot(bus);
  await boot.seen("left");
  phone.enterGadget();
  await boot.seen("connected");
  await boot.stop();
});

test("runBoot() leaves a bootloader in the middle of a download so that it can be used", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, {
    serialNumber: "0123",
    faults: [{ at: "data", delayMs: 5 }],
  });
  const boot = startBoot(bus);
  await boot.seen("sending", ({ bytes }) => bytes === 0);
  await boot.stop();
  assert.ok(phone.closed);
  assert.equal(phone.image, undefined);
  const client = new FastbootClient(await openFastbootUsb(phone.bootloader));
  assert.equal(await client.getvar("version"), "0.4");
  await client.close();
});

/** A phone that says which product it is. */
function probing(product: string, id = `made-${product}`): DeviceProfile {
  return {
    ...madeProfile(),
    id,
    probe: [{ "fastboot.getvar": "product", equals: product }],
  };
}
