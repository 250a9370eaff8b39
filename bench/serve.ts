/**
 * How much the host of smoo can serve, and what serving costs.
 *
 * The device answers at once and costs as little as it can, so what is measured is ours: messages,
 * reads from memory, buffers, transfers. No other program does the same: the hosts of network block
 * devices serve over sockets, where the copies of the kernel are most of the time.
 *
 * @module
 */
import process from "node:process";
import type {
  BenchCase,
  BenchContext,
  PreparedBench,
} from "../scripts/lib/bench_case.ts";
import { openMemory } from "../src/block/memory.ts";
import { serveExports } from "../src/serve/host.ts";
import { openSmooTransport } from "../src/serve/usb_transport.ts";
import type {
  UsbControlSetup,
  UsbDevice,
  UsbInTransferResult,
} from "../src/usb/shape.ts";

const EXPORT_ID = 7;
const BLOCK_SIZE = 4096;
const IMAGE_BYTES = 64 << 20;
/** As many as a queue of the phone's block device holds. */
const DEPTH = 16;

const endpoint = (
  endpointNumber: number,
  direction: "in" | "out",
  type: "bulk" | "interrupt",
  packetSize: number,
) => ({ endpointNumber, direction, type, packetSize });

/** A gadget that asks for `count` payloads of `bytes`, as many at once as it is allowed. */
class BusyDevice implements UsbDevice {
  readonly vendorId = 0;
  readonly productId = 0;
  opened = false;
  readonly configurations = [{
    configurationValue: 1,
    interfaces: [{
      interfaceNumber: 0,
      claimed: false,
      alternates: [{
        alternateSetting: 0,
        interfaceClass: 0xff,
        interfaceSubclass: 0x53,
        interfaceProtocol: 0x4d,
        endpoints: [
          endpoint(1, "in", "interrupt", 1024),
          endpoint(2, "out", "interrupt", 1024),
          endpoint(3, "in", "bulk", 512),
          endpoint(4, "out", "bulk", 512),
        ],
      }],
    }],
  }];
  readonly configuration = this.configurations[0];
  /** Resolves when all payloads have come. */
  readonly done: Promise<void>;
  /** Payload bytes that came so far. */
  received = 0;
  /** Requests that may be asked now; the others wait. */
  #credit = 0;
  #asked = 0;
  readonly #renews: boolean;
  readonly #count: number;
  readonly #bytes: number;
  readonly #blocks: number;
  #finish!: () => void;
  readonly #waiting: ((result: UsbInTransferResult) => void)[] = [];

  /** Asks for the next as soon as it has one, when `renews`. */
  constructor(count: number, bytes: number, renews: boolean) {
    this.#renews = renews;
    this.#count = count;
    this.#bytes = bytes;
    this.#blocks = bytes / BLOCK_SIZE;
    this.done = new Promise((resolve) => this.#finish = resolve);
  }

  /** Lets the gadget ask for that many more. */
  allow(count: number): void {
    this.#credit += count;
    while (this.#waiting.length > 0 && this.#mayAsk()) {
      this.#waiting.shift()!(this.#request());
    }
  }

  open(): Promise<void> {
    this.opened = true;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.opened = false;
    return Promise.resolve();
  }

  controlTransferIn({ request }: UsbControlSetup) {
    const bytes = request === 1
      ? Uint8Array.of(0x53, 0x4d, 0x4f, 0x4f, 0, 0, 1, 0)
      : Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0);
    if (request === 4) return Promise.resolve({ status: "stall" as const });
    return Promise.resolve({
      status: "ok" as const,
      data: new DataView(bytes.buffer),
    });
  }

  controlTransferOut(_: UsbControlSetup, data?: Uint8Array<ArrayBuffer>) {
    return this.#written(data?.length ?? 0);
  }

  transferIn(): Promise<UsbInTransferResult> {
    if (this.#mayAsk()) return Promise.resolve(this.#request());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  transferOut(endpointNumber: number, data: Uint8Array<ArrayBuffer>) {
    if (endpointNumber === 4) {
      const before = Math.floor(this.received / this.#bytes);
      this.received += data.length;
      const after = Math.floor(this.received / this.#bytes);
      if (after === this.#count) this.#finish();
      if (this.#renews) this.allow(after - before);
    }
    return this.#written(data.length);
  }

  selectConfiguration = () => Promise.resolve();
  claimInterface = () => Promise.resolve();
  releaseInterface = () => Promise.resolve();
  selectAlternateInterface = () => Promise.resolve();
  clearHalt = () => Promise.resolve();

  #written(bytesWritten: number) {
    return Promise.resolve({ status: "ok" as const, bytesWritten });
  }

  #mayAsk(): boolean {
    return this.#credit > 0 && this.#asked < this.#count;
  }

  #request(): UsbInTransferResult {
    this.#credit--;
    const id = this.#asked++;
    const view = new DataView(new ArrayBuffer(28));
    view.setUint32(4, id % 4096, true);
    view.setUint32(8, EXPORT_ID, true);
    const lba = id * this.#blocks % (IMAGE_BYTES / BLOCK_SIZE);
    view.setBigUint64(12, BigInt(lba), true);
    view.setUint32(20, this.#blocks, true);
    return { status: "ok", data: view };
  }
}

const image = new Uint8Array(IMAGE_BYTES);
for (let i = 0; i < image.length; i += 512) image[i] = i >> 9;

/** Serves the device until it has all it wants. */
async function serveAll(device: BusyDevice): Promise<void> {
  const stop = new AbortController();
  const transport = await openSmooTransport(device);
  const exports = [{
    reader: openMemory(image),
    blockSize: BLOCK_SIZE,
    exportId: EXPORT_ID,
  }];
  const end = serveExports(transport, exports, { signal: stop.signal });
  await Promise.race([device.done, end]);
  stop.abort("done");
  await end.catch(() => {});
  await transport.close();
}

/** Requests in a second of one core: all that the process takes counts, whatever else runs. */
async function rate(count: number, bytes: number): Promise<number> {
  const device = new BusyDevice(count, bytes, true);
  device.allow(DEPTH);
  const before = process.cpuUsage();
  await serveAll(device);
  const { user, system } = process.cpuUsage(before);
  if (device.received !== count * bytes) throw new Error("bytes are missing");
  return count / ((user + system) / 1e6);
}

function rateCase(
  name: string,
  unit: string,
  bytes: number,
  count: number,
  bar: number,
  scale: number,
): BenchCase {
  return {
    name,
    unit,
    better: "more",
    bar,
    prepare({ quick }: BenchContext): Promise<PreparedBench> {
      return Promise.resolve({
        ours: async () => await rate(quick ? count / 20 : count, bytes) * scale,
      });
    },
  };
}

/** Requests of 128 KiB, which is what reading ahead makes, at the speed of USB 2. */
const pacedCase: BenchCase = {
  name: "serve-usb2-cpu",
  unit: "% of a core",
  better: "less",
  bar: 8,
  prepare({ quick }: BenchContext): Promise<PreparedBench> {
    return Promise.resolve({
      async ours() {
        const bytes = 128 << 10;
        const count = Math.round((quick ? 20e6 : 120e6) / bytes);
        const device = new BusyDevice(count, bytes, false);
        const start = performance.now();
        const before = process.cpuUsage();
        let allowed = 0;
        const timer = setInterval(() => {
          const due = (performance.now() - start) * 40e3 / bytes;
          device.allow(Math.floor(due) - allowed);
          allowed = Math.floor(due);
        }, 4);
        await serveAll(device);
        clearInterval(timer);
        const { user, system } = process.cpuUsage(before);
        return (user + system) / 10 / (performance.now() - start);
      },
    });
  },
};

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  rateCase("serve-1m", "MB/s", 1 << 20, 4000, 1500, 1.048576),
  rateCase("serve-4k", "requests/s", 4096, 200_000, 60_000, 1),
  pacedCase,
];
