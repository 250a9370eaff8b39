import assert from "node:assert/strict";
import { test } from "node:test";
import { madeFiles, madeProfile } from "../../../tests/support/boot_image.ts";
import {
  RemotePhone,
  RemoteWorld,
} from "../../../tests/support/boot_remote.ts";
import { startBoot, typesOf } from "../../../tests/support/boot_world.ts";
import { READ } from "../../../tests/support/smoo_gadget.ts";
import { isRight } from "../../../tests/support/smoo_serving.ts";
import { planBoot } from "../plan.ts";

test("runBoot() boots a phone over USB/IP, whose list tells no serial number", async () => {
  const world = new RemoteWorld();
  const phone = new RemotePhone(world, "1-2", { serialNumber: "0123" });
  const boot = startBoot(world);
  await boot.seen("connected");
  const bytes = await phone.gadget.request(READ, 3, 2);
  assert.ok(isRight(bytes, 3 * 4096));
  await boot.stop();
  // told with the next heartbeat, if there is one
  const told = boot.events.filter(({ type }) =>
    type !== "serving" && type !== "device-log-gap"
  );
  assert.deepEqual(
    typesOf(told, "0123"),
    [
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
      "finished",
    ],
  );
  const { device } = await boot.seen("found");
  assert.deepEqual([device.serialNumber, device.port], ["0123", "1-2"]);
  assert.deepEqual(world.server.used, []);
  const plan = await planBoot(madeFiles(), madeProfile(), {
    cmdline: {
      mimicFastboot: true,
      vendorId: 0x18d1,
      productId: 0xd00d,
      deviceSerial: "0123",
    },
  });
  assert.deepEqual(phone.image, plan.bytes);
});

test("runBoot() boots two phones with the same ids over USB/IP, and none that was not named", async () => {
  const world = new RemoteWorld();
  const serials = ["0123", "4567", "89ab"];
  const phones = serials.map((serialNumber, i) =>
    new RemotePhone(world, `1-${i + 1}`, { serialNumber })
  );
  const boot = startBoot(world, {
    phones: { serialNumbers: ["0123", "89ab"] },
  });
  for (const i of [0, 2]) {
    await boot.seen("connected", ({ phone }) => phone === serials[i]);
    const bytes = await phones[i]!.gadget.request(READ, i, 1);
    assert.ok(isRight(bytes, i * 4096));
  }
  assert.equal(phones[1]!.image, undefined);
  await boot.stop();
  assert.deepEqual(world.server.used, []);
});

test("runBoot() tells phones without serial numbers apart by their places over USB/IP", async () => {
  const world = new RemoteWorld();
  const phones = [1, 2].map((i) => new RemotePhone(world, `1-${i}`));
  const boot = startBoot(world, { phones: { all: true } });
  for (const i of [0, 1]) {
    const name = `18d1:d00d@1-${i + 1}`;
    await boot.seen("connected", ({ phone }) => phone === name);
    await phones[i]!.gadget.request(READ, i, 1);
  }
  await boot.stop();
});

test("runBoot() goes on with a phone that was unplugged from its USB/IP server", async () => {
  const world = new RemoteWorld();
  const phone = new RemotePhone(world, "1-1", { serialNumber: "0123" });
  const boot = startBoot(world);
  await boot.seen("connected");
  phone.unplug();
  await boot.seen("link-lost");
  phone.enterGadget();
  await boot.seen("link-back");
  const bytes = await phone.gadget.request(READ, 9, 1);
  assert.ok(isRight(bytes, 9 * 4096));
  phone.unplug();
  phone.enterBootloader();
  const { reason } = await boot.seen("finished");
  assert.equal(reason, "restarted");
  await boot.done;
  assert.deepEqual(world.server.used, []);
});
