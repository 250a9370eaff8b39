import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import { usbIpBus } from "../../src/adapters/node/usbip.ts";
import { buildBootImage } from "../../src/format/bootimg/build.ts";
import { parseBootImage } from "../../src/format/bootimg/parse.ts";
import { CliProcess } from "../support/cli_process.ts";
import { machinesOf, untilMachines } from "../support/machines.ts";
import { phoneImage } from "../support/missing_phone.ts";
import { runCli } from "../support/run_cli.ts";
import { planFor, withFastboot } from "../support/virtual_phone.ts";

const PROFILE = "virtual-phone-arm64";
const guest = phoneImage("guest-arm64.erofs");

/** Runs `fastboop phone` while `work` goes on. */
async function withPhone(
  args: readonly string[],
  work: (phone: CliProcess, usbIpUrl: string) => Promise<void>,
): Promise<void> {
  const phone = new CliProcess(["phone", "--json", ...args]);
  try {
    const { usbIpUrl } = await phone.told("listening");
    await work(phone, usbIpUrl);
  } finally {
    await phone.stop();
  }
}

test("fastboop phone is what its options say", async () => {
  const args = [
    ...["--host", "127.0.0.2", "--usb-id", "1234:abcd", "--product", "made"],
    ...["--device-serial", "0042", "--max-download-size", "65536"],
    ...["--variable", "variant=a=b", "--variable", "unlocked=no"],
  ];
  await withPhone(args, async (phone, usbIpUrl) => {
    assert.match(usbIpUrl, /^usbip:\/\/127\.0\.0\.2:\d+$/);
    const { fastbootAddress } = await phone.told("listening");
    assert.match(fastbootAddress, /^tcp:127\.0\.0\.2:\d+$/);
    const { vendorId, productId } = await phone.told("plugged");
    assert.deepEqual([vendorId, productId], [0x1234, 0xabcd]);
    const bus = usbIpBus(usbIpUrl);
    await withFastboot(bus, async (client) => {
      for (
        const [name, value] of [
          ["product", "made"],
          ["serialno", "0042"],
          ["variant", "a=b"],
          ["unlocked", "no"],
        ]
      ) assert.equal(await client.getvar(name!), value);
      assert.equal(await client.maxDownloadSize(), 65536);
    });
    const [device] = await bus.getDevices();
    assert.deepEqual([
      device!.vendorId,
      device!.productId,
      device!.serialNumber,
    ], [
      0x1234,
      0xabcd,
      "0042",
    ]);
    phone.signal("SIGTERM");
    assert.equal(await phone.ended, 143);
  });
});

test("fastboop phone says where it is in plain lines, too, and which ports are taken", async () => {
  const phone = new CliProcess(["phone", "x86_64"]);
  try {
    await phone.until("its addresses", () => phone.text.split("\n").length > 2);
    const [url, tool] = phone.text.split("\n");
    assert.match(url!, /^usbip:\/\/127\.0\.0\.1:\d+$/);
    assert.match(tool!, /^tcp:127\.0\.0\.1:\d+$/);
    const port = url!.split(":").at(-1)!;
    const second = await runCli(["phone", "--port", port]);
    assert.equal(second.code, 1);
    assert.match(
      second.errors,
      /^fastboop: Cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*; choose another port\n$/,
    );
    const { text } = await runCli(["detect", "--usb", url!]);
    assert.equal(
      text,
      '18d1:d00d profile=virtual-phone-x86_64 name="Virtual phone (x86_64)" serial="virtual" port=1-1\n',
    );
    phone.signal("SIGINT");
    assert.equal(await phone.ended, 130);
  } finally {
    await phone.stop();
  }
});

/** A kernel that finds nothing to start: it panics, and the machine ends. */
async function panicking(): Promise<Uint8Array<ArrayBuffer>> {
  const { kernel } = parseBootImage(
    await planFor(guest.path, PROFILE, "virtual"),
  );
  const { bytes } = await buildBootImage(
    { headerVersion: 0, pageSize: 4096 },
    { kernel, ramdisk: new Uint8Array(4), cmdline: "console=ttyAMA0" },
  );
  return bytes;
}

async function send(usbIpUrl: string, image: Uint8Array<ArrayBuffer>) {
  await withFastboot(usbIpBus(usbIpUrl), async (client) => {
    await client.download(image);
    await client.boot();
  });
}

test(
  "fastboop phone --once ends when the machine has ended: failed if that failed",
  guest.options,
  async () => {
    const image = await panicking();
    await withPhone(["--once", "--console"], async (phone, usbIpUrl) => {
      await send(usbIpUrl, image);
      assert.equal(await phone.ended, 0, phone.errors);
      assert.match(phone.errors, /Kernel panic/);
      assert.equal((await phone.told("ended")).code, 0);
    });
    const memory = 385;
    const args = ["--once", "--memory", String(memory)];
    await withPhone(args, async (phone, usbIpUrl) => {
      await send(usbIpUrl, image);
      await untilMachines(memory, true);
      for (const pid of machinesOf(memory)) {
        process.kill(Number(pid), "SIGKILL");
      }
      assert.equal(await phone.ended, 1);
      assert.match(
        phone.errors,
        /^fastboop: Cannot go on: the machine of the virtual phone ended with .+; see what is wrong with --console$/m,
      );
    });
  },
);

test(
  "fastboop phone that is killed leaves no machine",
  guest.options,
  async () => {
    const image = await planFor(guest.path, PROFILE, "virtual");
    const memory = 386;
    await withPhone(["--memory", String(memory)], async (phone, usbIpUrl) => {
      await send(usbIpUrl, image);
      await untilMachines(memory, true);
      phone.signal("SIGKILL");
      assert.equal(await phone.ended, 137);
      await untilMachines(memory, false);
    });
  },
);
