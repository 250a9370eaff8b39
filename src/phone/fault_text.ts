/**
 * Faults of a bootloader as users write them.
 *
 * @module
 */

import type { FastbootFault, FaultKind } from "./fastboot_faults.ts";
import { isOddDescriptors } from "./odd_descriptors.ts";

/** Kinds by name, each with its value as it is written. */
const KINDS: Readonly<
  Record<string, (value: string) => FaultKind | undefined>
> = {
  fail: (value) => ({ fail: value }),
  before: (value) => ({ before: value.split(",") }),
  instead: (value) => ({ instead: value }),
  announce: number((announce) => ({ announce })),
  unplug: number((unplug) => ({ unplug })),
  stall: (value) =>
    value === "in" || value === "out" ? { stall: value } : undefined,
  delay: number((delayMs) => ({ delayMs })),
  silent: flag({ silent: true }),
  split: number((split) => ({ split })),
  glue: flag({ glue: true }),
  pad: number((pad) => ({ pad })),
  descriptors: (value) =>
    isOddDescriptors(value) ? { descriptors: value } : undefined,
};

/** Each fault as it is written, for help. */
export const FAULT_FORMS: readonly string[] = [
  "AT:fail=WORDS",
  "AT:before=REPLY,REPLY…",
  "AT:instead=REPLY",
  "AT:announce=BYTES",
  "AT:unplug=BYTES",
  "AT:stall=in|out",
  "AT:delay=MS",
  "AT:silent",
  "AT:split=BYTES",
  "AT:glue",
  "AT:pad=BYTES",
  "usb:descriptors=ODDITY",
];

/**
 * Parses `AT:KIND[=VALUE]`, with `*TIMES` behind the kind when it is not to happen always:
 * `boot:fail*1=no memory`, `data:unplug=65536`, `getvar:product:silent`.
 *
 * @throws {TypeError} when it is none
 */
export function parseFault(text: string): FastbootFault {
  // the beginning of a command may have colons, too
  for (let colon = text.indexOf(":"); colon > 0;) {
    const fault = parseKind(text.slice(colon + 1));
    if (fault !== undefined) {
      const found = { at: text.slice(0, colon), ...fault };
      if (canHappen(found)) return found;
      throw new TypeError(
        `Cannot use fault "${text}": it cannot happen at "${found.at}"`,
      );
    }
    colon = text.indexOf(":", colon + 1);
  }
  throw new TypeError(
    `Cannot use fault "${text}": expected ${FAULT_FORMS.join(", ")}`,
  );
}

/** Whether there is anything at that place that could go wrong so. */
function canHappen(fault: FastbootFault): boolean {
  const { at } = fault;
  const isAny = (...kinds: string[]) => kinds.some((kind) => kind in fault);
  const out = "stall" in fault && fault.stall === "out";
  switch (at) {
    case "usb":
      return isAny("descriptors");
    case "gadget":
      return isAny("unplug", "delayMs");
    case "data":
      return isAny("unplug", "delayMs") || out;
    case "image":
      return !isAny("descriptors", "announce", "unplug") && !out;
    default:
      if (isAny("announce")) return /^download/.test(at);
      return !isAny("descriptors");
  }
}

function parseKind(
  text: string,
): (FaultKind & { readonly times?: number }) | undefined {
  const [, kind, times, value = ""] =
    /^([a-z]+)(?:\*(\d+))?(?:=(.*))?$/s.exec(text) ?? [];
  const fault = kind === undefined ? undefined : KINDS[kind]?.(value);
  if (fault === undefined || times === undefined) return fault;
  return { ...fault, times: Number(times) };
}

function number(make: (value: number) => FaultKind) {
  return (value: string) =>
    /^-?\d+$/.test(value) ? make(Number(value)) : undefined;
}

function flag(kind: FaultKind) {
  return (value: string) => value === "" ? kind : undefined;
}
