/**
 * The ways to tell what happens while phones are booted.
 *
 * @module
 */

import { type BootEvent, toJsonLine } from "../../../boot/run/events.ts";
import type { ViewOptions } from "../command.ts";
import { printable } from "../listing.ts";
import { type EventLine, eventLine, type LineKind } from "./event_text.ts";
import { formatDuration } from "./format.ts";
import {
  advance,
  NOTHING_YET,
  phasesText,
  type Status,
  statusLines,
} from "./status.ts";

/** Tells a user what happens. */
export interface View {
  /** An event of `runBoot()`. */
  show(event: BootEvent): void;
  /** Something besides, in one line. */
  note(text: string, kind?: LineKind): void;
  /** A line of a console. */
  console(line: string): void;
  /** Gives the terminal back, so that it can be asked something; the next event takes it again. */
  pause(): void;
  /** Nothing more will be told. */
  close(): void;
}

/** A terminal, or what stands in for one. */
export interface Screen {
  /** Shows text. */
  write(text: string): void;
  /** How wide it is now. */
  readonly columns: number;
  /** Colours may be used. */
  readonly colours: boolean;
}

/** Least kind of line for each verbosity. */
function isTold(kind: LineKind, verbosity: ViewOptions["verbosity"]): boolean {
  if (verbosity === 1) return true;
  if (kind === "detail") return false;
  return verbosity === 0 || kind === "error" || kind === "warning";
}

/** Lines of events with the name of their phone, where several are on their way. */
class Lines {
  readonly #verbosity: ViewOptions["verbosity"];
  readonly #phones = new Set<string>();
  status: Status = NOTHING_YET;

  constructor(verbosity: ViewOptions["verbosity"]) {
    this.#verbosity = verbosity;
  }

  of(event: BootEvent): EventLine[] {
    const phone = "phone" in event ? event.phone : undefined;
    if (event.type === "found") this.#phones.add(event.phone);
    this.status = advance(this.status, event);
    const lines = [eventLine(event), this.#took(event)];
    const prefix = phone !== undefined && this.#phones.size > 1
      ? `${printable(phone)}: `
      : "";
    return lines.filter((line) => line !== undefined)
      .filter(({ kind }) => isTold(kind, this.#verbosity))
      .map(({ kind, text }) => ({ kind, text: `${prefix}${text}` }));
  }

  isTold(kind: LineKind): boolean {
    return isTold(kind, this.#verbosity);
  }

  #took(event: BootEvent): EventLine | undefined {
    if (event.type !== "handed-over") return undefined;
    const phone = this.status.phones.find((one) => one.phone === event.phone);
    if (phone === undefined || phone.past.length === 0) return undefined;
    const total = phone.past.reduce((sum, { ms }) => sum + ms, 0);
    return {
      kind: "step",
      text: `Took ${formatDuration(total)}: ${phasesText(phone.past)}`,
    };
  }
}

/** One line for each event, with the time since the start: for logs. */
export function plainView(
  { verbosity }: Pick<ViewOptions, "verbosity">,
  write: (text: string) => void,
): View {
  const lines = new Lines(verbosity);
  const line = (text: string, ms?: number) =>
    write(
      `${ms === undefined ? "" : `${(ms / 1000).toFixed(1).padStart(7)}s  `}${
        text.replaceAll("\n", "\n          ")
      }\n`,
    );
  return {
    show(event) {
      for (const { text } of lines.of(event)) line(text, event.ms);
    },
    note(text, kind = "step") {
      if (lines.isTold(kind)) line(`fastboop: ${printable(text)}`);
    },
    console: (text) => line(`console| ${printable(text)}`),
    pause() {},
    close() {},
  };
}

/** Events as JSON, nothing else. */
export function jsonView(
  write: (text: string) => void,
  errors: (text: string) => void,
): View {
  return {
    show: (event) => write(toJsonLine(event)),
    note(text, kind) {
      if (kind === "error") errors(`fastboop: ${printable(text)}\n`);
    },
    console: (text) => errors(`console| ${printable(text)}\n`),
    pause() {},
    close() {},
  };
}

const COLOURS: Readonly<Record<LineKind, string>> = {
  step: "",
  detail: "2",
  phone: "2",
  good: "32",
  warning: "33",
  error: "31",
};

/** Between two drawings when nothing happens: durations go on. */
const TICK_MS = 250;

/**
 * Lines as in {@linkcode plainView}, and below them where each phone is, drawn again in place.
 *
 * @param now Milliseconds since some moment.
 * @param repeat Calls `draw` every some milliseconds until what it gives is called.
 */
export function liveView(
  { verbosity }: Pick<ViewOptions, "verbosity">,
  screen: Screen,
  now: () => number,
  repeat: (draw: () => void, ms: number) => () => void = repeatByTimer,
): View {
  const lines = new Lines(verbosity);
  /** The region as it is shown now, and how wide the terminal was. */
  let shown: readonly string[] = [], width = 0;
  let end: (() => void) | undefined;
  /** Of `now` when events began. */
  let began: number | undefined;
  const paint = (text: string, code: string) =>
    screen.colours && code !== "" ? `\x1b[${code}m${text}\x1b[0m` : text;
  const erase = () => {
    if (shown.length === 0) return "";
    // a terminal that became narrower has wrapped what was drawn
    const rows = screen.columns <= width
      ? shown.reduce(
        (sum, line) => sum + (Math.ceil(line.length / screen.columns) || 1),
        0,
      )
      : shown.length;
    return `\x1b[${rows}A\r\x1b[J`;
  };
  const draw = (above: readonly string[] = [], region = true) => {
    // the last column makes some terminals wrap
    const columns = screen.columns - 1;
    const status = region && verbosity >= 0 && began !== undefined
      ? statusLines(lines.status, now() - began, columns)
      : [];
    const same = status.length === shown.length && columns === width &&
      status.every((line, i) => line === shown[i]);
    if (same && above.length === 0) return;
    const text = [
      erase(),
      ...above.map((line) => `${line}\n`),
      ...status.map((line) => `${paint(line, "1")}\n`),
    ].join("");
    shown = status;
    width = columns;
    // one write, shown at once where terminals know how: nothing flickers
    if (text !== "") screen.write(`\x1b[?2026h${text}\x1b[?2026l`);
  };
  return {
    show(event) {
      began ??= now() - event.ms;
      end ??= repeat(() => draw(), TICK_MS);
      draw(
        lines.of(event).map(({ kind, text }) => paint(text, COLOURS[kind])),
      );
    },
    note(text, kind = "step") {
      if (!lines.isTold(kind)) return;
      draw([paint(`fastboop: ${printable(text)}`, COLOURS[kind])]);
    },
    console: (text) => draw([paint(`console│ ${printable(text)}`, "36")]),
    pause() {
      end?.();
      end = undefined;
      draw([], false);
    },
    close() {
      end?.();
      end = undefined;
      draw([], false);
    },
  };
}

function repeatByTimer(draw: () => void, ms: number): () => void {
  const timer = setInterval(draw, ms);
  return () => clearInterval(timer);
}
