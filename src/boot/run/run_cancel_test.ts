import assert from "node:assert/strict";
import { test } from "node:test";
import { madeFiles, madeProfile } from "../../../tests/support/boot_image.ts";
import {
  BootingPhone,
  FakeWorld,
  startBoot,
} from "../../../tests/support/boot_world.ts";
import type { BootEvent } from "./events.ts";
import type { BootOptions } from "./options.ts";
import { runBoot } from "./run.ts";

const STATES: readonly {
  readonly at: BootEvent["type"];
  readonly phone?: ConstructorParameters<typeof BootingPhone>[1] | null;
  readonly options?: Partial<BootOptions>;
}[] = [
  { at: "waiting", phone: null },
  { at: "probing" },
  {
    at: "probing",
    phone: { faults: [{ at: "getvar", delayMs: 200 }] },
    options: {
      profiles: [{
        ...madeProfile(),
        probe: [{ "fastboot.getvar": "product", equals: "made" }],
      }],
    },
  },
  { at: "identified" },
  { at: "built" },
  { at: "sending", phone: { faults: [{ at: "data", delayMs: 100 }] } },
  { at: "booting", phone: { faults: [{ at: "boot", delayMs: 200 }] } },
  { at: "left", phone: { afterBoot: "nothing" } },
  { at: "waiting-for-gadget", phone: { afterBoot: "nothing" } },
  { at: "connected" },
];
for (const { at, phone, options } of STATES) {
  test(`runBoot() closes everything and rejects with the signal's reason when it is cancelled at "${at}"${options ? " within a command" : ""}`, async () => {
    const bus = new FakeWorld();
    const booting = phone === null
      ? undefined
      : new BootingPhone(bus, { serialNumber: "0123", ...phone });
    const boot = startBoot(bus, options);
    await boot.seen(at);
    const reason = new Error("enough");
    boot.cancel.abort(reason);
    await assert.rejects(boot.done, (error) => error === reason);
    assert.equal(bus.listening, false);
    assert.ok(booting?.closed ?? true, "something was left open");
    const last = boot.events.at(-1)!;
    const booted = boot.events.some(({ type }) => type === "booting");
    assert.equal(last.type === "finished" && last.reason, booted && "stopped");
    assert.ok(boot.events.every(({ type }) => type !== "failed"));
  });
}

test("runBoot() closes everything when the loop is left", async () => {
  const bus = new FakeWorld();
  const phone = new BootingPhone(bus, { serialNumber: "0123" });
  const stream = runBoot(
    { image: { files: madeFiles(), exports: [] }, profiles: [madeProfile()] },
    bus.world,
  );
  for await (const { type } of stream) {
    if (type === "sending") break;
  }
  assert.equal(bus.listening, false);
  assert.ok(phone.closed);
});
