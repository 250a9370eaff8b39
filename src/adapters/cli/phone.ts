/**
 * `fastboop phone`: a virtual phone, until Ctrl-C.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";
import { abortable } from "../../block/abortable.ts";
import { ReadError } from "../../errors.ts";
import { PHONE_MODELS } from "../../phone/models.ts";
import type { PhoneEvent } from "../../phone/virtual_phone.ts";
import { checkMachine } from "../node/qemu.ts";
import { startPhone } from "../node/virtual_phone.ts";
import { replaceFile } from "../node/write_file.ts";
import type { PhoneCommand } from "./command.ts";
import { ConsoleLines } from "./console_lines.ts";
import { printable } from "./listing.ts";
import { type Output, resultText } from "./output.ts";

/**
 * Is a phone. All that it started has ended when this returns.
 *
 * @throws {UsbError} `usb.unreachable` when a port is taken
 * @throws {ReadError} `file.write-failed` for the console or the boot image
 */
export async function runPhone(
  command: PhoneCommand,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const { json, payload, once } = command;
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  /** Results in their order; where it is comes first. */
  let begin!: () => void;
  let told: Promise<unknown> = new Promise<void>((resolve) => begin = resolve);
  const later = (work: () => Promise<unknown>) => {
    told = told.then(work).catch((error) => over.abort(error));
  };
  let machineCode: number | null | undefined;
  const { machine } = PHONE_MODELS[command.model ?? "arm64"];
  // its bootloader is there all the same
  await checkMachine(machine).catch(({ message }) => output.warn(message));
  const screen = openConsole(command, output);
  const phone = await startPhone({
    ...command,
    onConsole: (text) => screen?.push(text),
    onEvent(event) {
      if (json) later(() => resultText(output, jsonLine(event)));
      else output.progress.write(`${describe(event)}\n`);
      if (event.type === "booting" && payload !== undefined) {
        later(() => replaceFile(payload, event.image));
      }
      if (event.type !== "ended" || !once) return;
      machineCode = event.code;
      over.abort();
    },
  });
  try {
    const { usbIpUrl, fastbootAddress } = phone;
    const where = { type: "listening", usbIpUrl, fastbootAddress };
    await resultText(
      output,
      json ? `${JSON.stringify(where)}\n` : `${usbIpUrl}\n${fastbootAddress}\n`,
    );
    begin();
    await abortable(phone.done, either);
  } catch (error) {
    signal.throwIfAborted();
    if (machineCode === undefined) throw error;
  } finally {
    await phone.stop();
    begin();
    await told;
    screen?.end();
  }
  if (machineCode === undefined || machineCode === 0) return;
  throw new Error(
    `Cannot go on: the machine of the virtual phone ended with ${
      machineCode === null ? "a signal" : `exit code ${machineCode}`
    }; see what is wrong with --console`,
  );
}

interface Screen {
  push(text: string): void;
  end(): void;
}

function openConsole(
  { console }: PhoneCommand,
  { progress }: Output,
): Screen | undefined {
  if (console === undefined) return undefined;
  if (console === true) {
    const lines = new ConsoleLines((line) =>
      progress.write(`${printable(line)}\n`)
    );
    return {
      push: (text) => lines.push(text),
      end: () => lines.end(),
    };
  }
  let fd: number;
  try {
    fd = openSync(console, "w");
  } catch (cause) {
    throw new ReadError(
      "file.write-failed",
      `Cannot write console to "${console}": ${(cause as Error).message}`,
      { facts: { path: console }, cause },
    );
  }
  return {
    // at once: what a crash leaves behind is what is wanted most
    push: (text) => void writeSync(fd, text),
    end: () => closeSync(fd),
  };
}

function jsonLine(event: PhoneEvent): string {
  if (event.type !== "booting") return `${JSON.stringify(event)}\n`;
  return `${JSON.stringify({ type: event.type, ...sizesOf(event) })}\n`;
}

function sizesOf({ image, loaded }: PhoneEvent & { type: "booting" }) {
  const { headerVersion, kernel, ramdisk, cmdline } = loaded;
  return {
    bytes: image.length,
    headerVersion,
    kernelBytes: kernel.length,
    ramdiskBytes: ramdisk.length,
    cmdline,
  };
}

function describe(event: PhoneEvent): string {
  const hex = (id: number) => id.toString(16).padStart(4, "0");
  switch (event.type) {
    case "plugged":
      return `phone: plugged in as ${event.as}, ${hex(event.vendorId)}:${
        hex(event.productId)
      }`;
    case "unplugged":
      return `phone: left the bus as ${event.as}`;
    case "imported":
      return "phone: a host has it";
    case "released":
      return `phone: the host has it no more: ${event.why}`;
    case "command":
      return `phone: told ${printable(event.text)}`;
    case "booting": {
      const sizes = sizesOf(event);
      return `phone: boots ${sizes.bytes} bytes: kernel ${sizes.kernelBytes}, ramdisk ${sizes.ramdiskBytes}, "${
        printable(sizes.cmdline)
      }"`;
    }
    case "started":
      return `phone: runs as process ${event.pid}`;
    case "ended":
      return `phone: has ended with ${
        event.code === null ? "a signal" : `code ${event.code}`
      }`;
  }
}
