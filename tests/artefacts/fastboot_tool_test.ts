/**
 * The `fastboot` of Android judges the emulated bootloader, and so our client by what it sends.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { connectFastbootTcp } from "../../src/adapters/node/fastboot_tcp.ts";
import { listenTcp } from "../../src/adapters/node/tcp.ts";
import { FastbootClient } from "../../src/fastboot/client.ts";
import { buildBootImage } from "../../src/format/bootimg/build.ts";
import {
  FastbootDevice,
  type FastbootDeviceOptions,
} from "../../src/phone/fastboot_device.ts";
import {
  type FastbootTcpEnd,
  serveFastbootTcp,
} from "../../src/phone/fastboot_tcp.ts";

interface Run {
  readonly code: number;
  /** Standard output and error: the tool prints variables on the latter. */
  readonly output: string;
}

function fastboot(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile("fastboot", args, { timeout: 20_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? -1);
      resolve({ code, output: stdout + stderr });
    });
  });
}

const { output: version } = await fastboot("--version");
const skip = version.startsWith("fastboot version")
  ? false
  : "fastboot is not installed";

/** A bootloader that remembers what it was told. */
class Recorder extends FastbootDevice {
  readonly commands: string[] = [];

  override receive(packet: Uint8Array) {
    if (this.expected === 0) {
      this.commands.push(new TextDecoder().decode(packet));
    }
    return super.receive(packet);
  }
}

/** A bootloader that listens while the test runs; `told` has the commands of each connection. */
async function withBootloader(
  options: FastbootDeviceOptions,
  work: (
    address: string,
    ends: FastbootTcpEnd[],
    told: string[][],
  ) => Promise<void>,
): Promise<void> {
  const listener = await listenTcp();
  const ends: FastbootTcpEnd[] = [];
  const told: string[][] = [];
  const serving = (async () => {
    for await (const stream of listener.connections) {
      const device = new Recorder(options);
      told.push(device.commands);
      ends.push(await serveFastbootTcp(stream, device));
    }
  })();
  try {
    await work(`tcp:127.0.0.1:${listener.port}`, ends, told);
  } finally {
    listener.close();
    await serving;
  }
}

const variables = { product: "sdm845", "partition-type:op2": "raw" };

/** A boot image of some size that no chunk divides. */
async function bootImage(): Promise<Uint8Array<ArrayBuffer>> {
  const kernel = new Uint8Array((3 << 20) + 4321);
  for (let at = 0; at < kernel.length; at++) kernel[at] = at * 7 >> 3;
  const { bytes } = await buildBootImage(
    { headerVersion: 0, pageSize: 4096 },
    { kernel, ramdisk: new Uint8Array(5000).fill(3), cmdline: "quiet" },
  );
  return bytes;
}

test("the fastboot tool reads the variables of the emulated bootloader", {
  skip,
}, async () => {
  await withBootloader({ variables }, async (address) => {
    const one = await fastboot("-s", address, "getvar", "product");
    assert.equal(one.code, 0, one.output);
    assert.match(one.output, /^product: sdm845$/m);
    const all = await fastboot("-s", address, "getvar", "all");
    assert.equal(all.code, 0, all.output);
    assert.match(all.output, /^\(bootloader\) product: sdm845$/m);
    assert.match(all.output, /^\(bootloader\) partition-type:op2: raw$/m);
    assert.match(all.output, /^\(bootloader\) max-download-size: 0x20000000$/m);
    const none = await fastboot("-s", address, "getvar", "nothing");
    assert.match(none.output, /FAILED \(remote: 'unknown variable'\)/);
  });
});

test("the fastboot tool and our client boot the same image", {
  skip,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "fastboop-"));
  try {
    const image = await bootImage();
    const file = join(folder, "boot.img");
    await writeFile(file, image);
    await withBootloader({ variables }, async (address, ends, told) => {
      const theirs = await fastboot("-s", address, "boot", file);
      assert.equal(theirs.code, 0, theirs.output);
      const client = new FastbootClient(await connectFastbootTcp(address));
      assert.equal(await client.getvar("product"), "sdm845");
      await client.download(image);
      await client.boot();
      await client.close();
      const [first, second] = ends;
      assert.ok(first?.why === "left" && second?.why === "left");
      assert.deepEqual(first.image, image);
      assert.deepEqual(second.image, image);
      const changing = (commands: string[]) =>
        commands.filter((command) => !command.startsWith("getvar:"));
      assert.equal(changing(told[0]!).length, 2);
      assert.deepEqual(changing(told[0]!), changing(told[1]!));
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the fastboot tool and our client are refused in the same words", {
  skip,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "fastboop-"));
  try {
    const image = await bootImage();
    const file = join(folder, "boot.img");
    await writeFile(file, image);
    const refusals: [options: FastbootDeviceOptions, words: string][] = [
      [{ judgeImage: () => "device is locked" }, "device is locked"],
      [{ faults: [{ at: "image", fail: "bad data" }] }, "bad data"],
      [{ faults: [{ at: "download", fail: "no space" }] }, "no space"],
    ];
    for (const [options, words] of refusals) {
      await withBootloader(options, async (address) => {
        const theirs = await fastboot("-s", address, "boot", file);
        assert.equal(theirs.code, 1, theirs.output);
        assert.ok(
          theirs.output.includes(`FAILED (remote: '${words}')`),
          theirs.output,
        );
        const client = new FastbootClient(await connectFastbootTcp(address));
        await assert.rejects(
          client.download(image).then(() => client.boot()),
          (error: { code?: string; facts?: { message?: string } }) =>
            error.code === "fastboot.failed" && error.facts?.message === words,
        );
        await client.close();
      });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the emulated bootloader refuses to be changed", { skip }, async () => {
  await withBootloader({ variables }, async (address, ends) => {
    for (const args of [["erase", "userdata"], ["flashing", "unlock"]]) {
      const { code, output } = await fastboot("-s", address, ...args);
      assert.equal(code, 1, output);
      assert.match(output, /FAILED \(remote: 'unknown command'\)/);
    }
    assert.ok(ends.every(({ why }) => why === "closed"));
  });
});

test(
  "the fastboot tool restarts the emulated bootloader",
  { skip },
  async () => {
    await withBootloader({ variables }, async (address, ends) => {
      for (const command of ["reboot", "continue"]) {
        const { code, output } = await fastboot("-s", address, command);
        assert.equal(code, 0, output);
      }
      assert.deepEqual(ends, [
        { why: "left", image: undefined },
        { why: "left", image: undefined },
      ]);
    });
  },
);
