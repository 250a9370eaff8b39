import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { promisify } from "node:util";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { CliProcess } from "../support/cli_process.ts";
import { missingPhone } from "../support/missing_phone.ts";
import { planFor, WatchedPhone } from "../support/virtual_phone.ts";

const run = promisify(execFile);
/** Debian has usbip where only root looks. */
const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` };
const TIMEOUT = 60_000;
const IMAGE = "guest-arm64.erofs";

async function missing(program: string): Promise<string | undefined> {
  try {
    await run(program, ["--help"], { env });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT") return program;
  }
  return undefined;
}

async function skipFor(programs: string[], image?: string) {
  const found = await Promise.all(programs.map(missing));
  const reasons = found.filter((one) => one !== undefined);
  if (image !== undefined) {
    reasons.push(...missingPhone());
    if (!findFixture(image)) reasons.push(`run deno task fixtures ${image}`);
  }
  return reasons.length ? { skip: `missing: ${reasons.join(", ")}` } : {};
}

test(
  "the standard usbip tool lists a virtual phone",
  await skipFor(["usbip"]),
  async () => {
    const phone = await WatchedPhone.start({
      vendorId: 0x18d1,
      productId: 0x4ee0,
    });
    try {
      const port = phone.running.usbIpUrl.split(":").at(-1)!;
      const { stdout } = await run(
        "usbip",
        ["--tcp-port", port, "list", "--remote", "127.0.0.1"],
        { env, timeout: TIMEOUT },
      );
      assert.match(stdout, /1-1: .*\(18d1:4ee0\)/);
      assert.match(stdout, /\(ff\/42\/03\)/);
    } finally {
      await phone.stop();
    }
  },
);

test(
  "the standard fastboot tool asks a virtual phone for all it knows",
  await skipFor(["fastboot"]),
  async () => {
    const phone = await WatchedPhone.start({
      serialNumber: "0123abcd",
      maxDownloadSize: 0x1000000,
      variables: { variant: "made up" },
    });
    try {
      const { stderr } = await run(
        "fastboot",
        ["-s", phone.running.fastbootAddress, "getvar", "all"],
        { timeout: TIMEOUT },
      );
      assert.match(stderr, /^\(bootloader\) product: ?virtual-phone-arm64$/m);
      assert.match(stderr, /^\(bootloader\) serialno: ?0123abcd$/m);
      assert.match(stderr, /^\(bootloader\) variant: ?made up$/m);
      assert.match(stderr, /^\(bootloader\) max-download-size: ?0x1000000$/m);
    } finally {
      await phone.stop();
    }
  },
);

test(
  "the standard fastboot tool boots our boot image on a virtual phone",
  await skipFor(["fastboot"], IMAGE),
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "fastboop-test-"));
    const phone = await WatchedPhone.start({ serialNumber: "tool" });
    try {
      const payload = await planFor(
        findFixture(IMAGE)!,
        "virtual-phone-arm64",
        "tool",
      );
      const file = join(folder, "boot.img");
      await writeFile(file, payload);
      const { stderr } = await run(
        "fastboot",
        ["-s", phone.running.fastbootAddress, "boot", file],
        { timeout: TIMEOUT },
      );
      assert.match(stderr, /Booting\s.*OKAY/);
      const { image } = await phone.until("booting");
      assert.deepEqual(image, payload, "every byte of it");
      // the kernel runs, stage0 is there, and the phone is back on the bus
      await phone.until("plugged", TIMEOUT, ({ as }) => as === "gadget");
      const [device] = await phone.bus().getDevices();
      assert.equal(device!.vendorId, 0x18d1);
      // and a bootloader no more
      await assert.rejects(
        run(
          "fastboot",
          ["-s", phone.running.fastbootAddress, "getvar", "product"],
          // it tries for ever
          { timeout: 2000 },
        ),
      );
    } finally {
      await phone.stop();
      await rm(folder, { recursive: true });
    }
  },
);

test(
  "what the bootloader refuses, the standard fastboot tool tells in its words",
  await skipFor(["fastboot"]),
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "fastboop-test-"));
    const phone = await WatchedPhone.start({});
    try {
      const file = join(folder, "boot.img");
      const image = new Uint8Array(8192);
      image.set(new TextEncoder().encode("ANDROID!"));
      new DataView(image.buffer).setUint32(36, 2048, true);
      await writeFile(file, image);
      await assert.rejects(
        run("fastboot", ["-s", phone.running.fastbootAddress, "boot", file], {
          timeout: TIMEOUT,
        }),
        /FAILED \(remote: '?kernel not found'?\)/,
      );
      // and goes on
      const { stderr } = await run(
        "fastboot",
        ["-s", phone.running.fastbootAddress, "getvar", "product"],
        { timeout: TIMEOUT },
      );
      assert.match(stderr, /virtual-phone-arm64/);
    } finally {
      await phone.stop();
      await rm(folder, { recursive: true });
    }
  },
);

test(
  "fastboop phone tells where it is, keeps what it is sent, and ends all at Ctrl-C",
  await skipFor(["fastboot"], IMAGE),
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "fastboop-test-"));
    const file = join(folder, "boot.img"), kept = join(folder, "kept.img");
    const console = join(folder, "console");
    const phone = new CliProcess([
      "phone",
      ...["--json", "--device-serial", "cli", "--payload", kept],
      `--console=${console}`,
    ]);
    try {
      const payload = await planFor(
        findFixture(IMAGE)!,
        "virtual-phone-arm64",
        "cli",
      );
      await writeFile(file, payload);
      const { fastbootAddress } = await phone.told("listening");
      await run("fastboot", ["-s", fastbootAddress, "boot", file], {
        timeout: TIMEOUT,
      });
      const { pid } = await phone.told("started");
      await phone.until(
        "stage0",
        () => readFileSync(console, "utf8").includes("stage0: bound to"),
      );
      assert.deepEqual(new Uint8Array(await readFile(kept)), payload);
      phone.signal("SIGINT");
      assert.equal(await phone.ended, 130);
      assert.throws(() => process.kill(pid, 0), "its machine has ended");
    } finally {
      await phone.stop();
      await rm(folder, { recursive: true });
    }
  },
);
