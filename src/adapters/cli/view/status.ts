/**
 * Where each phone is on its way: what a terminal shows below the lines.
 *
 * @module
 */

import type { BootEvent, Fetched } from "../../../boot/run/events.ts";
import { printable } from "../listing.ts";
import { partText } from "./event_text.ts";
import { formatBytes, formatDuration, formatRate } from "./format.ts";

/** The ways of a phone, in their order. */
export type PhaseName =
  | "making the boot image"
  | "sending it"
  | "kernel"
  | "stage0"
  | "running";

/** A part of the way that is behind a phone. */
export interface FinishedPhase {
  readonly name: PhaseName;
  readonly ms: number;
}

/** Where a phone is. */
export interface PhoneStatus {
  readonly phone: string;
  /** Its name for people, once it is known. */
  readonly name: string | undefined;
  readonly phase: PhaseName;
  /** When it began, as `ms` of events. */
  readonly since: number;
  readonly past: readonly FinishedPhase[];
  /** What is done now, in words. */
  readonly doing: string;
  readonly sending:
    | {
      readonly bytes: number;
      readonly total: number;
      readonly bytesPerSecond: number;
    }
    | undefined;
  readonly served:
    | {
      readonly bytes: number;
      readonly bytesPerSecond: number;
      readonly at: number;
    }
    | undefined;
  readonly lostSince: number | undefined;
}

/** Where everything is. */
export interface Status {
  /** What is done before there is a phone. */
  readonly doing: string;
  /** When it began. */
  readonly since: number;
  /** What was read of the image to make the boot image. */
  readonly read: Fetched;
  readonly phones: readonly PhoneStatus[];
  readonly over: boolean;
}

/** Before the first event. */
export const NOTHING_YET: Status = {
  doing: "Starting",
  since: 0,
  read: { bytes: 0 },
  phones: [],
  over: false,
};

/** What comes of a status by an event. Pure. */
export function advance(status: Status, event: BootEvent): Status {
  switch (event.type) {
    case "waiting":
      return { ...status, doing: "Waiting for a phone", since: event.ms };
    case "reading":
      return { ...status, read: event };
    case "building":
      if (event.phone !== undefined) break;
      return { ...status, doing: partText(event.part), since: event.ms };
    case "done":
      return { ...status, phones: [], over: true };
    case "failed":
    case "finished":
    case "passed-over":
      return {
        ...status,
        phones: status.phones.filter(({ phone }) => phone !== event.phone),
      };
    default:
  }
  if (!("phone" in event) || event.phone === undefined) return status;
  const known = status.phones.find(({ phone }) => phone === event.phone);
  const next = advancePhone(known ?? arrived(event.phone, event.ms), event);
  return {
    ...status,
    phones: known === undefined
      ? [...status.phones, next]
      : status.phones.map((one) => one === known ? next : one),
  };
}

function arrived(phone: string, ms: number): PhoneStatus {
  return {
    phone,
    name: undefined,
    phase: "making the boot image",
    since: ms,
    past: [],
    doing: "Asking who it is",
    sending: undefined,
    served: undefined,
    lostSince: undefined,
  };
}

function advancePhone(status: PhoneStatus, event: BootEvent): PhoneStatus {
  const enter = (phase: PhaseName, doing: string): PhoneStatus =>
    phase === status.phase ? { ...status, doing } : {
      ...status,
      past: [...status.past, {
        name: status.phase,
        ms: event.ms - status.since,
      }],
      phase,
      since: event.ms,
      doing,
    };
  switch (event.type) {
    case "identified":
      return { ...status, name: event.name, doing: "Making the boot image" };
    case "building":
      return { ...status, doing: partText(event.part) };
    case "sending": {
      const { bytes, total, bytesPerSecond } = event;
      return {
        ...enter("sending it", "Sending"),
        sending: { bytes, total, bytesPerSecond },
      };
    }
    case "booting":
      return { ...enter("kernel", "Starting"), sending: undefined };
    case "waiting-for-gadget":
      return { ...enter("kernel", "The kernel boots"), sending: undefined };
    case "resuming":
      return { ...enter("stage0", "Serving it again"), past: [] };
    case "connected":
      return enter("stage0", "Mounting the image");
    case "handed-over":
      return enter("running", "Running");
    case "serving": {
      const bytes = event.statistics.bytesRead;
      const { bytes: before = 0, at = status.since } = status.served ?? {};
      const seconds = Math.max(event.ms - at, 1) / 1000;
      const bytesPerSecond = Math.max(0, bytes - before) / seconds;
      return { ...status, served: { bytes, bytesPerSecond, at: event.ms } };
    }
    case "link-lost":
      return { ...status, lostSince: event.ms };
    case "link-back":
      return { ...status, lostSince: undefined };
    default:
      return status;
  }
}

/** What took how long, when a phone's init was started: `making the boot image 2.1 s, …`. */
export function phasesText(past: readonly FinishedPhase[]): string {
  return past.map(({ name, ms }) => `${name} ${formatDuration(ms)}`).join(", ");
}

/** Rates that are older say nothing about now. */
const RATE_MS = 3_000;

/**
 * The lines that show a status, each at most `columns` wide. Pure.
 *
 * @param now As `ms` of events.
 */
export function statusLines(
  status: Status,
  now: number,
  columns: number,
): string[] {
  if (status.over) return [];
  const lines = status.phones.length === 0
    ? [join([
      `${status.doing} (${formatDuration(now - status.since)})`,
      fetchedText(status.read),
    ])]
    : status.phones.map((phone) => phoneLine(phone, now, columns));
  return lines.map((line) => shorten(printable(line), columns));
}

/** What was fetched, in words; nothing when it is nothing. */
function fetchedText(
  { bytes, requests, bytesPerSecond }: Fetched,
): string | undefined {
  if (bytes === 0) return undefined;
  return join([
    `${formatBytes(bytes)} of the image ${requests ? "fetched" : "read"}`,
    requests !== undefined && `${requests} requests`,
    bytesPerSecond !== undefined && formatRate(bytesPerSecond),
  ]);
}

function phoneLine(phone: PhoneStatus, now: number, columns: number): string {
  const { name, sending, served, lostSince } = phone;
  const who = name ?? phone.phone;
  const took = formatDuration(now - phone.since);
  if (lostSince !== undefined) {
    return join([
      `${who}: unplugged for ${formatDuration(now - lostSince)}`,
      "plug it in again to go on",
    ]);
  }
  if (sending !== undefined) return sendingLine(who, sending, columns);
  const fresh = served !== undefined && now - served.at < RATE_MS;
  return join([
    `${who}: ${phone.doing} (${took})`,
    served && `${formatBytes(served.bytes)} served`,
    fresh && formatRate(served.bytesPerSecond),
  ]);
}

/** Columns of a bar that is worth it. */
const MIN_BAR = 8, MAX_BAR = 30;

function sendingLine(
  who: string,
  { bytes, total, bytesPerSecond }: NonNullable<PhoneStatus["sending"]>,
  columns: number,
): string {
  const left = bytesPerSecond > 0
    ? `${formatDuration((total - bytes) / bytesPerSecond * 1000)} left`
    : "";
  const text = join([
    `${formatBytes(bytes)} of ${formatBytes(total)}`,
    bytesPerSecond > 0 && formatRate(bytesPerSecond),
    left,
  ]);
  const head = `${who}: Sending `;
  const room = Math.min(MAX_BAR, columns - head.length - text.length - 3);
  if (room < MIN_BAR) return `${head}${text}`;
  const done = Math.floor(room * bytes / Math.max(total, 1));
  return `${head}${"#".repeat(done)}${"-".repeat(room - done)}  ${text}`;
}

function join(parts: readonly (string | false | undefined)[]): string {
  return parts.filter((part) => part).join(", ");
}

function shorten(line: string, columns: number): string {
  const all = [...line];
  return all.length <= columns
    ? line
    : `${all.slice(0, Math.max(columns - 1, 0)).join("")}…`;
}
