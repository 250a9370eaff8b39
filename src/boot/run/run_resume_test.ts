import assert from "node:assert/strict";
import { test } from "node:test";
import {
  RemotePhone,
  RemoteWorld,
} from "../../../tests/support/boot_remote.ts";
import { madeFiles, madeProfile } from "../../../tests/support/boot_image.ts";
import {
  BootingPhone,
  FakeWorld,
  IMAGE_BYTES,
  startBoot,
  typesOf,
} from "../../../tests/support/boot_world.ts";
import { READ } from "../../../tests/support/smoo_gadget.ts";
import { isRight, patternReader } from "../../../tests/support/smoo_serving.ts";

/** A phone that runs, and whose host has left. */
function running(bus: FakeWorld, serialNumber: string, port = "1-1") {
  const phone = new BootingPhone(bus, { serialNumber, port });
  phone.unplug();
  phone.enterGadget();
  return phone;
}

test("runBoot() resumes: it serves a phone whose host has left, and goes on with what that one was asked for", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, { serialNumber: "0123" });
  const first = startBoot(bus);
  await first.seen("connected");
  await phone.gadget.request(READ, 3, 2);
  await first.stop();
  const waiting = phone.gadget.request(READ, 7, 2);

  const second = startBoot(bus, { resume: true });
  const { timeoutMs } = await second.seen("resuming");
  assert.equal(timeoutMs, 180_000);
  assert.ok(isRight(await waiting, 7 * 4096));
  await second.stop();
  const told = second.events.filter(({ type }) =>
    type !== "serving" && type !== "device-log-gap"
  );
  assert.deepEqual(typesOf(told), [
    "found",
    "resuming",
    "connected",
    "finished",
  ]);
  assert.equal(phone.gadget.configs, 1, "it kept its exports");
  assert.deepEqual(phone.gadget.problems, []);
  assert.ok(phone.closed);
});

test("runBoot() resumes only phones that are meant, boots those in their bootloader, and needs no boot image for the others", async () => {
  const bus = new FakeWorld();
  const one = running(bus, "0123", "1-1");
  const other = running(bus, "4567", "1-2");
  const fresh = new BootingPhone(bus, { serialNumber: "89ab", port: "1-3" });
  const boot = startBoot(bus, {
    resume: true,
    phones: { serialNumbers: ["0123"], ports: ["1-3"] },
  });
  for (const [name, phone] of [["0123", one], ["89ab", fresh]] as const) {
    await boot.seen("connected", (event) => event.phone === name);
    assert.ok(isRight(await phone.gadget.request(READ, 5, 1), 5 * 4096));
  }
  await boot.stop();
  assert.deepEqual(typesOf(boot.events, "4567"), []);
  assert.equal(other.gadget.device!.calls.length, 0);
  assert.ok(fresh.image !== undefined && one.image === undefined);

  const files = madeFiles({ "/boot/vmlinuz-6.99.0-made+1-arm64": undefined });
  const reader = patternReader(IMAGE_BYTES);
  const without = startBoot(bus, {
    resume: true,
    phones: { ports: ["1-2"] },
    image: { files, exports: [{ reader, blockSize: 4096 }] },
  });
  await without.seen("connected");
  await without.stop();
});

test("runBoot() asks which one when several phones run, and finds one that calls itself something else", async () => {
  const bus = new FakeWorld();
  const phones = [running(bus, "0123", "1-1"), running(bus, "4567", "1-2")];
  const profiles = [{
    ...madeProfile(),
    match: [{ fastboot: { vid: 0x1111, pid: 0x2222 } }],
  }];
  const refused = startBoot(bus, { resume: true, profiles });
  await refused.done;
  const { message } = await refused.seen("failed");
  assert.match(
    message,
    /"0123" at 1-1 \(running\), .*"4567" at 1-2 \(running\)/,
  );
  const boot = startBoot(bus, {
    resume: true,
    profiles,
    choosePhones(found) {
      assert.deepEqual(found.map((one) => [one.phone, one.running]), [
        ["0123", true],
        ["4567", true],
      ]);
      return Promise.resolve(["4567"]);
    },
  });
  const { phone } = await boot.seen("connected");
  assert.equal(phone, "4567");
  assert.deepEqual(typesOf(boot.events, "0123"), ["found", "passed-over"]);
  await boot.stop();
  assert.ok(phones.every(({ closed }) => closed));
});

test("runBoot() that resumed goes on when the cable was pulled, until the phone is restarted", async () => {
  const bus = new FakeWorld();
  const phone = running(bus, "0123");
  const boot = startBoot(bus, { resume: true });
  await boot.seen("connected");
  phone.unplug();
  await boot.seen("link-lost");
  phone.enterGadget();
  await boot.seen("link-back");
  assert.ok(isRight(await phone.gadget.request(READ, 1, 1), 4096));
  phone.unplug();
  phone.enterBootloader();
  await boot.seen("finished", ({ reason }) => reason === "restarted");
  await boot.done;
});

test("runBoot() resumes a phone over USB/IP, whose list does not tell what it is", async () => {
  const world = new RemoteWorld();
  const phone = new RemotePhone(world, "1-1", { serialNumber: "0123" });
  const first = startBoot(world);
  await first.seen("connected");
  await phone.gadget.request(READ, 1, 1);
  await first.stop();
  const second = startBoot(world, { resume: true });
  await second.seen("connected", (event) => event.phone === "0123");
  assert.ok(isRight(await phone.gadget.request(READ, 9, 1), 9 * 4096));
  await second.stop();
  assert.deepEqual(world.server.used, []);
});

test("runBoot() that resumes closes everything when it is cancelled, and ends when the phone is gone", async () => {
  const bus = new FakeWorld();
  const phone = running(bus, "0123");
  const boot = startBoot(bus, { resume: true });
  await boot.seen("resuming");
  const reason = new Error("enough");
  boot.cancel.abort(reason);
  await assert.rejects(boot.done, (error) => error === reason);
  const last = boot.events.at(-1)!;
  assert.ok(last.type === "finished" && last.reason === "stopped");
  assert.ok(last.phoneNeedsHost);
  assert.ok(phone.closed);
  assert.equal(bus.listening, false);

  const device = phone.gadget.device!;
  device.open = () => {
    phone.unplug();
    return Promise.reject(new Error("gone"));
  };
  const late = startBoot(bus, { resume: true, gadgetMs: 2000 });
  await late.done;
  const failed = await late.seen("failed");
  assert.deepEqual([failed.code, failed.booted], ["boot.no-gadget", true]);
});
