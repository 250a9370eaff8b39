/**
 * The options of `fastboop phone`.
 *
 * @module
 */

import { Argument, Command as Program } from "@commander-js/extra-typings";
import type { FastbootFault } from "../../phone/fastboot_faults.ts";
import { FAULT_FORMS, parseFault } from "../../phone/fault_text.ts";
import { ODD_DESCRIPTORS } from "../../phone/odd_descriptors.ts";
import { PHONE_MODELS } from "../../phone/models.ts";
import { type Command, type PhoneCommand, UsageError } from "./command.ts";
import * as value from "./values.ts";

const MAX_PORT = 65_535;
const MODELS = Object.keys(PHONE_MODELS) as (keyof typeof PHONE_MODELS)[];

/** The command; `take` gets what was typed. */
export function phoneGrammar(take: (command: Command) => void) {
  return new Program("phone")
    .summary("be a phone: a virtual one, for others to boot")
    .description(
      `Is a phone in its bootloader, plugged in at a USB/IP port of this machine: "fastboop boot --usb usbip://127.0.0.1:PORT" boots it as any other, and so do "usbip" and "fastboot -s tcp:127.0.0.1:PORT". What it is sent runs in QEMU. Needs no root, no KVM.

The first two lines on standard output are where it is. It runs until Ctrl-C; a machine that ends leaves the phone in its bootloader again.

--fault lets something go wrong. AT is the beginning of a command, "data" while the boot image is sent, "image" for the answer behind it, "usb" for the bootloader on the bus, or "gadget" for the booted phone; "*N" behind the kind is how often, as in boot:fail*1=no. Forms:
  ${FAULT_FORMS.join("\n  ")}

ODDITY is ${ODD_DESCRIPTORS.join(", ")}.`,
    )
    .addArgument(
      new Argument("[MODEL]", "which; arm64 by default").choices(MODELS),
    )
    .optionsGroup("Where it is:")
    .option(
      "--host <ADDRESS>",
      "address to listen on; 127.0.0.1 by default. Whoever reaches it can boot the phone",
      value.once("--host", value.someText),
    )
    .option(
      "--port <N>",
      "of USB/IP; any free one by default",
      value.once("--port", port),
    )
    .option(
      "--fastboot-port <N>",
      "of the fastboot tool; any free one by default",
      value.once("--fastboot-port", port),
    )
    .optionsGroup("What it is like:")
    .option(
      "--device-serial <TEXT>",
      'its serial number; "virtual" by default',
      value.once("--device-serial", value.someText),
    )
    .option(
      "--usb-id <VID:PID>",
      "hexadecimal; 18d1:d00d by default",
      value.once("--usb-id", usbId),
    )
    .option(
      "--product <TEXT>",
      "what its bootloader says it is; by default what its profile expects",
      value.once("--product", value.someText),
    )
    .option(
      "--variable <NAME=VALUE>",
      "another answer of its bootloader; several",
      value.several("--variable", pair),
    )
    .option(
      "--max-download-size <BYTES>",
      "what its bootloader takes",
      value.once("--max-download-size", count),
    )
    .option(
      "--memory <MIB>",
      "of the machine; 512 by default",
      value.once("--memory", value.mebibytes),
    )
    .optionsGroup("What goes wrong:")
    .option("--fault <FAULT>", "see above; several", faults)
    .option(
      "--bytes-per-second <N>",
      "its cable carries no more, each way",
      value.once("--bytes-per-second", count),
    )
    .optionsGroup("What is told:")
    .option(
      "--console [FILE]",
      "show the console of what it boots, or write it to a file, written --console=FILE",
    )
    .option(
      "--payload <FILE>",
      "write the boot image that it is sent to a file",
      value.once("--payload", value.path),
    )
    .option("--once", "end when the machine ends, failed if it failed")
    .option("--json", "one event a line on standard output, as JSON")
    .action((model, flags) => {
      const command: PhoneCommand = {
        kind: "phone",
        model: model ?? "arm64",
        host: flags.host,
        port: flags.port,
        fastbootPort: flags.fastbootPort,
        serialNumber: flags.deviceSerial,
        vendorId: flags.usbId?.[0],
        productId: flags.usbId?.[1],
        product: flags.product,
        variables: Object.fromEntries(flags.variable ?? []),
        maxDownloadSize: flags.maxDownloadSize,
        memoryMiB: flags.memory,
        faults: flags.fault ?? [],
        bytesPerSecond: flags.bytesPerSecond,
        console: flags.console,
        payload: flags.payload,
        once: flags.once === true,
        json: flags.json === true,
      };
      take(command);
    });
}

function faults(
  text: string,
  previous: readonly FastbootFault[] | undefined,
): readonly FastbootFault[] {
  try {
    return [...previous ?? [], parseFault(text)];
  } catch (error) {
    throw new UsageError((error as Error).message, "phone");
  }
}

function count(text: string, option: string): number {
  const number = Number(text);
  if (/^[0-9]+$/.test(text) && number > 0 && Number.isSafeInteger(number)) {
    return number;
  }
  throw new UsageError(`Cannot use ${option} "${text}", expected a number`);
}

function port(text: string, option: string): number {
  const number = Number(text);
  if (/^[0-9]+$/.test(text) && number <= MAX_PORT) return number;
  throw new UsageError(
    `Cannot use ${option} "${text}", expected 0 to ${MAX_PORT}`,
  );
}

function usbId(text: string, option: string): readonly [number, number] {
  const parts = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text);
  const [vendorId, productId] = [1, 2].map((i) => parseInt(parts?.[i]!, 16));
  if (parts) return [vendorId!, productId!];
  throw new UsageError(
    `Cannot use ${option} "${text}", expected VID:PID as in 18d1:d00d`,
  );
}

function pair(text: string, option: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`Cannot use ${option} "${text}", expected NAME=VALUE`);
}
