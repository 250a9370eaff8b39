/**
 * How fast an image goes to a bootloader, beside a loop that does nothing but write to the endpoint.
 *
 * The phone is a process of its own behind USB/IP on the loopback interface: transfers cost a round
 * trip, as on a bus, and the limit is that of two processes that copy. The loop keeps as many
 * transfers under way as the client, so it is the best that the transport gives.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type {
  BenchCase,
  BenchContext,
  PreparedBench,
} from "../scripts/lib/bench_case.ts";
import { connectTcp } from "../src/adapters/node/tcp.ts";
import { FastbootClient } from "../src/fastboot/client.ts";
import { openFastbootUsb } from "../src/fastboot/usb_transport.ts";
import type { UsbDevice } from "../src/usb/shape.ts";
import { openUsbIpDevice } from "../src/usb/usbip/device.ts";

const HIGH_SPEED = 3;
const CHUNK_BYTES = 1 << 20;
const DEPTH = 3;
const ENDPOINT = 1;

/** Gives the port of a phone that ends with this process. */
async function startPhone(): Promise<number> {
  const program = new URL(
    "../tests/support/fastboot_server.ts",
    import.meta.url,
  );
  const child = spawn(
    process.execPath,
    ["run", "--allow-all", "--no-check", fileURLToPath(program)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  process.once("exit", () => child.kill());
  const [line] = await once(createInterface(child.stdout!), "line");
  // It does not keep us.
  child.unref();
  (child.stdout as unknown as { unref(): void }).unref();
  return Number(line);
}

/** Writes an image as a bootloader wants it, and no more. */
async function sendByLoop(
  device: UsbDevice,
  image: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const write = (bytes: Uint8Array<ArrayBuffer>) =>
    device.transferOut(ENDPOINT, bytes);
  const expectReply = async (wanted: string) => {
    const { data } = await device.transferIn(ENDPOINT, 4096);
    const text = new TextDecoder().decode(data!);
    if (!text.startsWith(wanted)) throw new Error(`answered ${text}`);
  };
  const length = image.length.toString(16).padStart(8, "0");
  await write(new TextEncoder().encode(`download:${length}`));
  await expectReply("DATA");
  const active: Promise<unknown>[] = [];
  for (let at = 0; at < image.length; at += CHUNK_BYTES) {
    if (active.length === DEPTH) await active.shift();
    active.push(write(image.subarray(at, at + CHUNK_BYTES)));
  }
  await Promise.all(active);
  await expectReply("OKAY");
}

/**
 * How fast the client sends, with the speed of the loop as 1: the middle of pairs that were sent one
 * right behind the other over one connection, so that what else the machine does hits both alike.
 */
async function compare(
  port: number,
  image: Uint8Array<ArrayBuffer>,
  pairs: number,
): Promise<number> {
  const stream = await connectTcp("127.0.0.1", port);
  const device = await openUsbIpDevice(stream, { speed: HIGH_SPEED });
  const client = new FastbootClient(await openFastbootUsb(device));
  const time = async (send: () => Promise<void>) => {
    const start = performance.now();
    await send();
    return performance.now() - start;
  };
  const ours = () => time(() => client.download(image));
  const theirs = () => time(() => sendByLoop(device, image));
  await ours();
  await theirs();
  const ratios: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    // Each goes first as often as the other.
    const first = pair & 1 ? await theirs() : 0;
    const took = await ours();
    ratios.push((pair & 1 ? first : await theirs()) / took);
  }
  await client.close();
  return ratios.sort((a, b) => a - b)[pairs >> 1]!;
}

/** The cases of this file. */
export const cases: readonly BenchCase[] = [{
  name: "fastboot-download",
  unit: "of bulk writes",
  better: "more",
  bar: 0.9,
  async prepare({ quick }: BenchContext): Promise<PreparedBench> {
    const port = await startPhone();
    const image = new Uint8Array(16 << 20);
    for (let at = 0; at < image.length; at += 512) image[at] = at >> 9;
    return { ours: () => compare(port, image, quick ? 3 : 31) };
  },
}];
