/**
 * Hosts of virtual phones whose guests tell what they read.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFile, copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { openFile } from "../../src/adapters/node/file.ts";
import { runBoot } from "../../src/boot/run/run.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import { openImage } from "../../src/image/open_image.ts";
import type { Usb } from "../../src/usb/shape.ts";
import { CliProcess } from "../support/cli_process.ts";
import { phoneImage } from "../support/missing_phone.ts";
import { Guest } from "../support/phone_console.ts";
import { WatchedPhone } from "../support/virtual_phone.ts";

const { path: IMAGE, options } = phoneImage("guest-arm64.erofs");

/** Several buses as one. */
function joined(buses: readonly Usb[]): Usb {
  return {
    async getDevices() {
      const all = await Promise.all(buses.map((bus) => bus.getDevices()));
      return all.flat();
    },
    addEventListener: (type, listener) =>
      buses.forEach((bus) => bus.addEventListener(type, listener)),
    removeEventListener: (type, listener) =>
      buses.forEach((bus) => bus.removeEventListener(type, listener)),
  };
}

/** Boots one phone of a bus from an image until it is told to stop. */
async function host(
  usb: Usb,
  path: string,
  serialNumber: string,
  signal: AbortSignal,
): Promise<void> {
  const reader = await openFile(path, { signal });
  const { files } = await openImage(reader, { signal });
  const image = { files, exports: [{ reader, blockSize: 4096 }] };
  const profiles = BUILTIN_PROFILES.filter(({ id }) =>
    id === "virtual-phone-arm64"
  );
  const phones = { serialNumbers: [serialNumber] };
  try {
    const events = runBoot({ image, profiles, phones }, { usb }, {
      signal,
    });
    for await (const event of events) {
      if (event.type === "failed") throw new Error(event.message);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await reader.close();
  }
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256").update(await readFile(path)).digest("hex");
}

test(
  "two virtual phones with equal ids on one bus at once: each reads the image of its own host",
  options,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "fastboop-test-"));
    const other = join(folder, "other.erofs");
    await copyFile(IMAGE, other);
    await appendFile(other, new Uint8Array(1 << 20).fill(0xa5));
    const images = [["first", IMAGE], ["second", other]] as const;
    const stop = new AbortController();
    const phones = await Promise.all(
      images.map(([serialNumber]) => WatchedPhone.start({ serialNumber })),
    );
    // each sees both, as two programs on one machine would
    const hosts = images.map(([serialNumber, path]) => {
      const usb = joined(phones.map((phone) => phone.bus()));
      return host(usb, path, serialNumber, stop.signal);
    });
    const wrong = Promise.race(hosts).then(() => assert.fail("a host left"));
    try {
      const read = phones.map(async (phone) => {
        await phone.until("started");
        const guest = new Guest(phone.running.machine!);
        await guest.ready(180_000);
        const [line] = await guest.run("sha /dev/ublkb0", 180_000);
        return line!.split(" ")[0];
      });
      const found = await Promise.race([Promise.all(read), wrong]);
      const expected = await Promise.all(
        images.map(([, path]) => sha256(path)),
      );
      assert.notEqual(expected[0], expected[1]);
      assert.deepEqual(found, expected);
    } finally {
      stop.abort(new Error("The test is over"));
      await Promise.allSettled([...hosts, wrong]);
      await Promise.all(phones.map((phone) => phone.stop()));
      await rm(folder, { recursive: true });
    }
  },
);

test(
  "fastboop boot --resume goes on where a host was that was killed: what the guest reads goes on",
  options,
  async () => {
    const phone = await WatchedPhone.start({ serialNumber: "left" });
    const boot = ["boot", IMAGE, "--usb", phone.running.usbIpUrl, "--json"];
    const first = new CliProcess(boot);
    let second: CliProcess | undefined;
    try {
      await first.told("connected");
      const guest = new Guest(phone.running.machine!);
      await guest.ready();
      await guest.run("drop");
      const start = guest.start("&readers 4 400 /data/pattern");
      // in the middle of it
      const { statistics } = await first.told("serving");
      await first.told(
        "serving",
        (event) => event.statistics.bytesRead > statistics.bytesRead + 300_000,
      );
      first.signal("SIGKILL");
      assert.equal(await first.ended, 137);

      // without the word for it, it is left alone
      const careful = new CliProcess([...boot, "--wait", "2"]);
      assert.equal(await careful.ended, 1);
      const passed = await careful.told("passed-over");
      assert.equal(passed.reason, "already-booted");

      second = new CliProcess([...boot, "--resume"]);
      const { phone: name } = await second.told("resuming");
      assert.equal(name, "left");
      await second.told("connected");
      await guest.ended("readers", start, 120_000);
      const [line] = await guest.run("sha /dev/ublkb0", 180_000);
      assert.equal(line!.split(" ")[0], await sha256(IMAGE));
      second.signal("SIGINT");
      assert.equal(await second.ended, 130);
      const finished = await second.told("finished");
      assert.deepEqual([finished.reason, finished.phoneNeedsHost], [
        "stopped",
        true,
      ]);
    } catch (error) {
      console.error(phone.console.slice(-3000));
      throw error;
    } finally {
      await first.stop();
      await second?.stop();
      await phone.stop();
    }
  },
);
