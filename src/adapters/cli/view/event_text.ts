/**
 * Events in words.
 *
 * @module
 */

import { phoneText } from "../../../boot/run/context.ts";
import type { BootEvent } from "../../../boot/run/events.ts";
import { printable } from "../listing.ts";
import { formatBytes, formatDuration, formatRate } from "./format.ts";
import { hintFor } from "./hints.ts";

/** What kind of line it is: for colours, and for who wants fewer. */
export type LineKind =
  /** A step was taken. */
  | "step"
  /** Of interest to who looks for the reason of something. */
  | "detail"
  /** What the phone says. */
  | "phone"
  /** It went well. */
  | "good"
  /** Something to know. */
  | "warning"
  /** It went wrong. */
  | "error";

/** A line to be told. */
export interface EventLine {
  readonly kind: LineKind;
  /** Without control characters, but line feeds in those of errors. */
  readonly text: string;
}

const PARTS = {
  "kernel": "Reading the kernel",
  "modules": "Reading its modules",
  "device-tree": "Reading the device tree",
  "initramfs": "Packing the initramfs",
  "compress-kernel": "Compressing the kernel",
  "boot-image": "Making the boot image",
} as const;

/** The part of the work in words: `Compressing the kernel`. */
export function partText(part: keyof typeof PARTS): string {
  return PARTS[part];
}

/**
 * What is worth a line of an event; nothing for those that only count. Pure.
 *
 * Severe lines of the phone's log are warnings.
 */
export function eventLine(event: BootEvent): EventLine | undefined {
  const found = lineOf(event);
  if (found === undefined) return undefined;
  const [kind, text] = found;
  return { kind, text: text.split("\n").map(printable).join("\n") };
}

function lineOf(event: BootEvent): [LineKind, string] | undefined {
  switch (event.type) {
    case "waiting":
      return ["step", waitingText(event)];
    case "found":
      return ["step", `Found ${phoneText(event.device)}`];
    case "probing":
      return ["detail", `Asking whether it is ${event.profiles.join(" or ")}`];
    case "passed-over":
      return ["warning", passedText(event)];
    case "identified":
      return ["step", `It is ${event.name} (${event.profile})`];
    case "bootloader-message":
      return ["phone", `bootloader: ${event.text}`];
    case "building":
      return ["detail", partText(event.part)];
    case "warning":
      return ["warning", event.message];
    case "built": {
      const { kernel, modules, size } = event.image;
      return [
        "step",
        `Made the boot image: kernel ${kernel.release}, ${modules.length} modules, ${
          formatBytes(size)
        }`,
      ];
    }
    case "sending": {
      const { bytes, total, bytesPerSecond } = event;
      if (bytes === 0) return ["detail", `Sending ${formatBytes(total)}`];
      if (bytes < total) return undefined;
      const rate = bytesPerSecond > 0 ? `, ${formatRate(bytesPerSecond)}` : "";
      return ["step", `Sent ${formatBytes(total)}${rate}`];
    }
    case "booting":
      return ["step", "Told the bootloader to start it"];
    case "left":
      return ["detail", "The bootloader has left the bus"];
    case "waiting-for-gadget":
      return ["step", "The kernel boots; waiting for the phone to come back"];
    case "resuming":
      return ["step", "It runs already; serving it again"];
    case "connected":
      return ["step", "The phone is back and reads the image"];
    case "request-failed":
      return [
        "error",
        `A ${event.operation} by the phone failed: ${event.error.message}`,
      ];
    case "device-log": {
      const time = event.seconds === undefined
        ? ""
        : `[${event.seconds.toFixed(3)}] `;
      const severe = event.level !== undefined && event.level <= 3;
      return [severe ? "warning" : "phone", `phone: ${time}${event.text}`];
    }
    case "device-log-gap":
      return [
        "detail",
        event.bytes === undefined
          ? "The phone's log cannot be had"
          : `${formatBytes(event.bytes)} of the phone's log are lost`,
      ];
    case "handed-over":
      return ["good", "The image's own system starts"];
    case "link-lost":
      return [
        "warning",
        `Lost the phone: ${event.error.message}; it stands still until the cable is back`,
      ];
    case "link-back":
      return [
        "step",
        `The phone is back after ${formatDuration(event.lostMs)}`,
      ];
    case "finished":
      return finishedLine(event);
    case "failed": {
      const hint = hintFor(event.code);
      return [
        "error",
        hint === undefined ? event.message : `${event.message}\n${hint}`,
      ];
    }
    case "reading":
    case "serving":
    case "done":
      return undefined;
    default:
      return event satisfies never;
  }
}

function waitingText(
  { profiles, serialNumbers, ports }: Extract<BootEvent, { type: "waiting" }>,
): string {
  const which = [
    ...serialNumbers.map((serial) => `"${serial}"`),
    ...ports.map((port) => `at ${port}`),
  ];
  const phone = which.length > 0
    ? `the phone ${which.join(", ")}`
    : profiles.length === 1
    ? `a phone of profile ${profiles[0]}`
    : "a phone";
  return `Waiting for ${phone}: start its bootloader ("fastboot mode") and plug it in`;
}

function passedText(
  { phone, reason, details }: Extract<BootEvent, { type: "passed-over" }>,
): string {
  const why = {
    "no-profile": "it fits no profile",
    "not-answering": "its bootloader does not answer",
    "already-booted":
      "it runs already; restart it, or serve it again by --resume",
    "not-chosen": "another one is to be booted",
  }[reason];
  const more = details.length > 0 ? ` (${details.join("; ")})` : "";
  return `Not booting ${phone}: ${why}${more}`;
}

function finishedLine(
  { reason, phoneNeedsHost }: Extract<BootEvent, { type: "finished" }>,
): [LineKind, string] {
  const why = {
    stopped: "Serving has ended",
    gone: "The phone is gone",
    restarted: "The phone was restarted",
  }[reason];
  return [
    reason === "gone" ? "warning" : "step",
    phoneNeedsHost
      ? `${why}. The phone stands still, as its system is here: serve it again by --resume, or restart it by holding its power key. Nothing was written to it`
      : `${why}. Nothing was written to it`,
  ];
}
