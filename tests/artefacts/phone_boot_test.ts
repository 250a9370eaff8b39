import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { openUsbIpDevice } from "../../src/usb/usbip/device.ts";
import { phoneImage } from "../support/missing_phone.ts";
import { Guest } from "../support/phone_console.ts";
import { PhoneHost } from "../support/phone_host.ts";
import { type BootedPhone, bootPhone } from "../support/rig.ts";

interface Flavour {
  readonly profile: string;
  readonly machine: "aarch64" | "x86_64";
  readonly image: string;
  readonly controller: "vudc" | "dummy" | "dummy-full";
  /** `enum usb_device_speed` */
  readonly speed: number;
}

const FLAVOURS: readonly Flavour[] = [
  {
    profile: "virtual-phone-arm64",
    machine: "aarch64",
    image: "guest-arm64.erofs",
    controller: "vudc",
    speed: 3,
  },
  {
    profile: "virtual-phone-arm64-superspeed",
    machine: "aarch64",
    image: "guest-arm64.erofs",
    controller: "dummy",
    speed: 5,
  },
  {
    profile: "virtual-phone-arm64-superspeed",
    machine: "aarch64",
    image: "guest-arm64.erofs",
    controller: "dummy-full",
    speed: 2,
  },
  {
    profile: "virtual-phone-x86_64",
    machine: "x86_64",
    image: "guest-amd64.erofs",
    controller: "vudc",
    speed: 3,
  },
];
/** wMaxPacketSize of the two bulk endpoints, by speed. */
const BULK_PACKETS: Readonly<Record<number, [number, number]>> = {
  2: [64, 64],
  3: [512, 512],
  5: [1024, 1024],
};
const REPLUGS = 3;

/** With an image of its own, or skipped for want of what is said. */
function phoneTest(
  name: string,
  { profile, machine, image, controller }: Flavour,
  run: (phone: BootedPhone, context: TestContext) => Promise<void>,
): void {
  const { path, options } = phoneImage(image, machine);
  test(`${profile}, ${controller}: ${name}`, options, async (context) => {
    const phone = await bootPhone({
      image: path,
      profile,
      controller,
      deviceSerial: "deadbeef",
    });
    try {
      await run(phone, context);
    } catch (error) {
      console.error(phone.machine.console.lastLines);
      throw error;
    } finally {
      await phone.stop();
    }
  });
}

for (const flavour of FLAVOURS) {
  phoneTest(
    "boots, comes back as a gadget, and is plugged in again and again",
    flavour,
    async (phone) => {
      const { machine, reader } = phone;
      const host = new PhoneHost(machine, [{ reader, blockSize: 4096 }]);
      try {
        const guest = new Guest(machine);
        await guest.ready();
        const { vendorId, productId, serialNumber, configuration } = host
          .device!;
        assert.deepEqual([vendorId, productId, serialNumber], [
          0x18d1,
          0xd00d,
          "deadbeef",
        ]);
        const endpoints =
          configuration!.interfaces[0]!.alternates[0]!.endpoints;
        const bulk = endpoints.filter(({ type }) => type === "bulk");
        assert.deepEqual(
          bulk.map(({ packetSize }) => packetSize),
          BULK_PACKETS[flavour.speed],
        );
        // the emulator's network card is none of the system's business
        const cards = await guest.run("ls /sys/class/net");
        assert.deepEqual(cards, ["lo"]);
        // nor is its process anybody's to end
        const processes = await guest.run("ps");
        assert.ok(processes.some((line) => /fastboop-agent/.test(line)));
        for (let i = 0; i < REPLUGS; i++) {
          host.unplug();
          await guest.run("drop");
          await guest.run("readers 1 20 /data/pattern");
        }
        assert.equal(host.plugs, 1 + REPLUGS);
      } finally {
        await host.stop();
      }
    },
  );
}

const [FIRST] = FLAVOURS;

phoneTest(
  "is not plugged in until someone wants it, and says who it is before anything else",
  FIRST!,
  async ({ machine }) => {
    const reason = new Error("enough");
    await assert.rejects(
      machine.plugIn({ signal: AbortSignal.abort(reason) }),
      reason,
    );
    const controller = new AbortController();
    const waiting = machine.plugIn({ signal: controller.signal });
    await machine.console.waitFor(/stage0: bound to /, { timeoutMs: 60_000 });
    controller.abort(reason);
    // either it was quicker, and is plugged out again
    const plugged = await waiting.catch((error) => {
      assert.equal(error, reason);
    });
    plugged?.stream.close();
    const { stream, devid, speed } = await machine.plugIn();
    assert.equal(speed, 3);
    const device = await openUsbIpDevice(stream, { devid, speed });
    assert.equal(device.vendorId, 0x18d1);
    await device.close();
  },
);

phoneTest(
  "a machine that ends tells who waits for it",
  FIRST!,
  async ({ machine }) => {
    await machine.console.waitFor(/Run .*agent as init/, { timeoutMs: 60_000 });
    const told = Promise.all([
      assert.rejects(machine.plugIn(), /ended with/),
      assert.rejects(machine.console.waitFor(/never/), /the console ended/),
    ]);
    await machine.stop();
    await told;
  },
);
