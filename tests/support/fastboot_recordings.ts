/**
 * Real conversations with the emulated bootloader: of the `fastboot` tool, and of our client.
 *
 * @module
 */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectFastbootTcp } from "../../src/adapters/node/fastboot_tcp.ts";
import { listenTcp } from "../../src/adapters/node/tcp.ts";
import { FastbootClient } from "../../src/fastboot/client.ts";
import { openFastbootUsb } from "../../src/fastboot/usb_transport.ts";
import { parseFault } from "../../src/phone/fault_text.ts";
import { serveFastbootTcp } from "../../src/phone/fastboot_tcp.ts";
import {
  RECORDED_LIMIT,
  RECORDED_VARIABLES,
  recordedImage,
  RecordingDevice,
  RecordingTransport,
} from "./fastboot_recorder.ts";
import { findDevice, WatchedPhone } from "./virtual_phone.ts";

/** A conversation that can be had again. */
export interface Recording {
  /** Below tests/transcripts/fastboot/. */
  readonly file: string;
  readonly remark: string;
  /** Of the bootloader, as users write them. */
  readonly faults: readonly string[];
  /** Arguments of the tool, `IMAGE` for the file; or what our client does over USB. */
  readonly talk:
    | readonly string[]
    | ((client: FastbootClient) => Promise<unknown>);
}

async function start(client: FastbootClient): Promise<void> {
  for (const name of ["product", "serialno", "no-such"]) {
    // FAIL means that there is none
    await client.getvar(name).catch(() => {});
  }
  await client.download(await recordedImage());
  await client.boot();
}

/** All of them. */
export const RECORDINGS: readonly Recording[] = [
  {
    file: "recorded/tool-getvar-all.txt",
    remark: "fastboot getvar all",
    faults: [],
    talk: ["getvar", "all"],
  },
  {
    file: "recorded/tool-getvar-unknown.txt",
    remark: "fastboot getvar no-such",
    faults: [],
    talk: ["getvar", "no-such"],
  },
  {
    file: "recorded/tool-boot.txt",
    remark: "fastboot boot",
    faults: [],
    talk: ["boot", "IMAGE"],
  },
  {
    file: "recorded/tool-boot-refused.txt",
    remark: "fastboot boot, refused behind the data",
    faults: ["image:fail=bad image"],
    talk: ["boot", "IMAGE"],
  },
  {
    file: "recorded/tool-boot-talkative.txt",
    remark: "fastboot boot, with lines of INFO",
    faults: ["download:before=INFOwait", "boot:before=INFOchecking,INFOok"],
    talk: ["boot", "IMAGE"],
  },
  {
    file: "recorded/tool-reboot.txt",
    remark: "fastboot reboot",
    faults: [],
    talk: ["reboot"],
  },
  {
    file: "recorded/client-boot.txt",
    remark: "Our client probes, sends and starts, over USB/IP",
    faults: ["boot:fail=device is locked"],
    talk: start,
  },
  {
    file: "recorded/client-talkative.txt",
    remark: "The same, with INFO, TEXT and answers that are filled up",
    faults: [
      "getvar:product:pad=64",
      "download:before=INFOwait,TEXTa,TEXTb",
      "boot:fail=device is locked",
    ],
    talk: start,
  },
  {
    file: "recorded/client-length.txt",
    remark: "The bootloader wants more than it was told: it is filled up",
    faults: ["download:announce=512"],
    talk: (client) => start(client).finally(() => client.getvar("version")),
  },
  {
    file: "recorded/client-reboot.txt",
    remark: "Our client restarts the phone",
    faults: [],
    talk: (client) => client.reboot(),
  },
];

/** The `fastboot` tool, or nothing where it is not installed. */
export async function toolVersion(): Promise<string | undefined> {
  const { output } = await tool(["--version"]);
  return /^fastboot version (\S+)/.exec(output)?.[1];
}

/** Lets a conversation happen, and gives what was said, a line each. */
export async function record({ talk, faults }: Recording): Promise<string[]> {
  return typeof talk === "function"
    ? await recordClient(talk, faults)
    : await recordTool(talk, faults);
}

async function recordTool(
  args: readonly string[],
  faults: readonly string[],
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "fastboop-"));
  const device = new RecordingDevice({ faults: faults.map(parseFault) });
  const listener = await listenTcp();
  const serving = (async () => {
    for await (const stream of listener.connections) {
      await serveFastbootTcp(stream, device);
    }
  })();
  try {
    const file = join(folder, "boot.img");
    await writeFile(file, await recordedImage());
    const words = args.map((word) => word === "IMAGE" ? file : word);
    await tool(["-s", `tcp:127.0.0.1:${listener.port}`, ...words]);
  } finally {
    listener.close();
    await serving;
    await rm(folder, { recursive: true });
  }
  return device.lines;
}

async function recordClient(
  talk: (client: FastbootClient) => Promise<unknown>,
  faults: readonly string[],
): Promise<string[]> {
  const phone = await WatchedPhone.start({
    product: RECORDED_VARIABLES["product"],
    serialNumber: RECORDED_VARIABLES["serialno"],
    maxDownloadSize: RECORDED_LIMIT,
    variables: RECORDED_VARIABLES,
    faults: faults.map(parseFault),
  });
  try {
    const transport = new RecordingTransport(
      await openFastbootUsb(await findDevice(phone.bus())),
    );
    const client = new FastbootClient(transport);
    await talk(client).catch(() => {});
    await client.close();
    return transport.lines;
  } finally {
    await phone.stop();
  }
}

/** The same over TCP; nothing but the transport is another one. */
export async function recordClientOverTcp(
  { talk, faults }: Recording,
): Promise<string[]> {
  const listener = await listenTcp();
  const device = new RecordingDevice({
    faults: faults.map(parseFault),
    variables: { ...RECORDED_VARIABLES, unlocked: "yes" },
  });
  const serving = (async () => {
    for await (const stream of listener.connections) {
      await serveFastbootTcp(stream, device);
    }
  })();
  try {
    const address = `tcp:127.0.0.1:${listener.port}`;
    const client = new FastbootClient(await connectFastbootTcp(address));
    if (typeof talk === "function") await talk(client).catch(() => {});
    await client.close();
  } finally {
    listener.close();
    await serving;
  }
  return device.lines;
}

function tool(args: readonly string[]): Promise<{ output: string }> {
  return new Promise((resolve) =>
    execFile(
      "fastboot",
      [...args],
      { timeout: 20_000 },
      (_, stdout, stderr) => resolve({ output: stdout + stderr }),
    )
  );
}
