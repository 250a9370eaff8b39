import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import type { PHONE_MODELS } from "../../src/phone/models.ts";
import {
  serveForever,
  type ServeForeverEvent,
} from "../../src/serve/serve_forever.ts";
import { smooSource } from "../../src/serve/smoo_source.ts";
import { phoneImage } from "../support/missing_phone.ts";
import { Guest } from "../support/phone_console.ts";
import {
  planFor,
  WatchedPhone,
  withFastboot,
} from "../support/virtual_phone.ts";

/** Serves an image to a phone until it is stopped. */
class Serving {
  readonly events: ServeForeverEvent[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(phone: WatchedPhone, image: string, serialNumber: string) {
    this.#done = this.#serve(phone, image, serialNumber);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("The test is over"));
    await this.#done;
  }

  async #serve(phone: WatchedPhone, image: string, serialNumber: string) {
    const { signal } = this.#stop;
    const reader = await openFile(image);
    const source = smooSource(phone.bus(), { serialNumber });
    const exports = [{ reader, blockSize: 4096 }];
    try {
      for await (const event of serveForever(source, exports, { signal })) {
        this.events.push(event);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await reader.close();
    }
  }
}

/** From the bus, through the bootloader, to a guest that takes commands. */
async function boot(
  phone: WatchedPhone,
  model: keyof typeof PHONE_MODELS,
  image: string,
  serialNumber: string,
): Promise<{ guest: Guest; serving: Serving }> {
  const profile = `virtual-phone-${model}`;
  const payload = await planFor(image, profile, serialNumber);
  await withFastboot(phone.bus(), async (client) => {
    assert.equal(await client.getvar("product"), profile);
    assert.equal(await client.getvar("serialno"), serialNumber);
    await client.download(payload);
    await client.boot();
  });
  const booting = await phone.until("booting");
  assert.deepEqual(booting.image, payload, "the bootloader has what -o writes");
  assert.deepEqual(await phone.bus().getDevices(), [], "it left the bus");
  const serving = new Serving(phone, image, serialNumber);
  await phone.until("started");
  const guest = new Guest(phone.running.machine!);
  await guest.ready();
  return { guest, serving };
}

for (
  const [model, machine, image] of [
    ["arm64", "aarch64", "guest-arm64.erofs"],
    ["arm64-superspeed", "aarch64", "guest-arm64.erofs"],
    ["x86_64", "x86_64", "guest-amd64.erofs"],
  ] as const
) {
  test(
    `virtual phone ${model}: from fastboot to a booted system over one USB/IP port, also after the cable was pulled`,
    phoneImage(image, machine).options,
    async () => {
      const phone = await WatchedPhone.start({
        model,
        serialNumber: "deadbeef",
        faults: [{ at: "gadget", unplug: 500_000, times: 1 }],
      });
      let serving: Serving | undefined;
      try {
        const path = findFixture(image)!;
        const booted = await boot(phone, model, path, "deadbeef");
        serving = booted.serving;
        await booted.guest.run("drop");
        await booted.guest.run("readers 1 20 /data/pattern");
        const releases = phone.events.filter(({ type }) => type === "released");
        assert.ok(
          releases.some((one) =>
            one.type === "released" && one.why === "unplugged"
          ),
          JSON.stringify(releases),
        );
        const plugs = phone.events.filter((one) =>
          one.type === "plugged" && one.as === "gadget"
        );
        assert.ok(plugs.length >= 2, `${plugs.length}`);
      } catch (error) {
        console.error(phone.console.slice(-3000));
        throw error;
      } finally {
        await serving?.stop();
        await phone.stop();
      }
      const { pid } = await phone.until("started");
      assert.throws(() => process.kill(pid, 0), "its machine has ended");
    },
  );
}
