/**
 * What was typed, as a command.
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { BuildCommand } from "./build.ts";
import type { DevproAction } from "./devpro.ts";

/** One call of the program. */
export type Command =
  | { readonly kind: "help"; readonly topic?: Topic }
  | { readonly kind: "version" }
  | {
    readonly kind: "ls";
    readonly image: string;
    readonly path: string;
    readonly long: boolean;
    readonly recursive: boolean;
  }
  | { readonly kind: "cat"; readonly image: string; readonly path: string }
  | {
    readonly kind: "inspect";
    readonly image: string;
    readonly json: boolean;
  }
  | { readonly kind: "devpro" } & DevproAction
  | BuildCommand;

/** Commands that help exists for. */
export type Topic =
  | "ls"
  | "cat"
  | "inspect"
  | "boot"
  | "stage0"
  | "devpro";

/** What was typed is no command. The message says what would be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly topic: Topic | undefined;

  constructor(message: string, topic?: Topic) {
    super(message);
    this.topic = topic;
  }
}

interface Flag {
  readonly type: "boolean" | "string";
  readonly short?: string;
  readonly multiple?: boolean;
}
type Flags = Readonly<Record<string, Flag>>;
type Values = Readonly<
  Record<string, string | boolean | (string | boolean)[] | undefined>
>;

const HELP: Flags = { help: { type: "boolean", short: "h" } };
const BUILD: Flags = {
  ...HELP,
  "device-profile": { type: "string" },
  output: { type: "string", short: "o" },
  stage0: { type: "string" },
  dtb: { type: "string" },
  dtbo: { type: "string", multiple: true },
  mac: { type: "string", multiple: true },
  augment: { type: "string", multiple: true },
  "require-module": { type: "string", multiple: true },
  "cmdline-append": { type: "string", multiple: true },
  serial: { type: "boolean" },
  "device-serial": { type: "string" },
  "clock-usec": { type: "string" },
  ostree: { type: "string" },
  "compressed-modules": { type: "boolean" },
  explain: { type: "boolean" },
};
const FLAGS: Readonly<Record<Topic, Flags>> = {
  ls: {
    ...HELP,
    long: { type: "boolean", short: "l" },
    recursive: { type: "boolean", short: "R" },
  },
  cat: HELP,
  inspect: { ...HELP, json: { type: "boolean" } },
  boot: BUILD,
  stage0: BUILD,
  devpro: { ...HELP, json: { type: "boolean" } },
};

/** Every command, also for help. */
export const TOPICS = Object.keys(FLAGS) as Topic[];

/**
 * Reads the words after the program's name.
 *
 * @throws {UsageError}
 */
export function parseCommand(args: readonly string[]): Command {
  const [word, ...rest] = args;
  if (word === undefined || word === "--help" || word === "-h") {
    return { kind: "help" };
  }
  if (word === "--version" || word === "-V") {
    expectWords(undefined, rest, []);
    return { kind: "version" };
  }
  if (word === "help") {
    const [topic] = expectWords(undefined, rest, [], ["COMMAND"]);
    if (topic === undefined) return { kind: "help" };
    return { kind: "help", topic: topicOf(topic) };
  }
  if (word.startsWith("-")) {
    throw new UsageError(
      `Unknown option "${word}", expected a command: ${TOPICS.join(", ")}`,
    );
  }
  const topic = topicOf(word);
  const { flags, words } = parseFlags(topic, rest);
  if (flags["help"]) return { kind: "help", topic };
  switch (topic) {
    case "ls": {
      const [image, path] = expectWords(topic, words, ["IMAGE"], ["PATH"]);
      return {
        kind: "ls",
        image: image!,
        path: path ?? "/",
        long: flags["long"] === true,
        recursive: flags["recursive"] === true,
      };
    }
    case "cat": {
      const [image, path] = expectWords(topic, words, ["IMAGE", "PATH"]);
      return { kind: "cat", image: image!, path: path! };
    }
    case "inspect": {
      const [image] = expectWords(topic, words, ["IMAGE"]);
      return { kind: "inspect", image: image!, json: flags["json"] === true };
    }
    case "boot":
    case "stage0":
      return parseBuild(topic, flags, words);
    case "devpro":
      return { kind: topic, ...parseDevpro(words, flags["json"] === true) };
    default:
      return topic satisfies never;
  }
}

function parseBuild(
  topic: "boot" | "stage0",
  flags: Values,
  words: readonly string[],
): BuildCommand {
  const [image] = expectWords(topic, words, ["IMAGE"]);
  const one = (name: string) => {
    const value = flags[name] as string | undefined;
    if (value === "") {
      throw new UsageError(`Option "--${name}" needs a value`, topic);
    }
    return value;
  };
  const all = (name: string) => {
    const values = (flags[name] ?? []) as readonly string[];
    if (!values.includes("")) return values;
    throw new UsageError(`Option "--${name}" needs a value`, topic);
  };
  const profile = one("device-profile");
  const output = one("output");
  if (profile === undefined) {
    throw new UsageError("Missing --device-profile ID", topic);
  }
  if (output === undefined && topic === "boot") {
    throw new UsageError(
      "Missing -o FILE: this version makes boot images only",
      topic,
    );
  }
  const ostree = flags["ostree"] as string | undefined;
  return {
    kind: topic,
    image: image!,
    profile,
    output,
    stage0: one("stage0"),
    dtb: one("dtb"),
    overlays: all("dtbo"),
    macs: all("mac").map((text) => parseMac(text, topic)),
    augments: all("augment"),
    modules: all("require-module"),
    // scripts may have nothing to add
    cmdline: (flags["cmdline-append"] ?? []) as readonly string[],
    serialConsole: flags["serial"] === true,
    deviceSerial: one("device-serial"),
    clockMicroseconds: parseClock(one("clock-usec"), topic),
    ostree: ostree === "" ? true : ostree,
    compressedModules: flags["compressed-modules"] === true,
    explain: flags["explain"] === true,
  };
}

function parseMac(text: string, topic: Topic): BuildCommand["macs"][number] {
  const [, kind, compatible] = /^(wifi|bluetooth)=(.+)$/.exec(text) ?? [];
  if (kind === "wifi" || kind === "bluetooth") {
    return { kind, compatible: compatible! };
  }
  throw new UsageError(
    `Cannot use --mac "${text}", expected wifi=COMPATIBLE or bluetooth=COMPATIBLE`,
    topic,
  );
}

function parseClock(
  text: string | undefined,
  topic: Topic,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(
    `Cannot use --clock-usec "${text}", expected microseconds since 1970`,
    topic,
  );
}

function parseDevpro(words: readonly string[], json: boolean): DevproAction {
  const [action, ...rest] = words;
  switch (action) {
    case "list":
      expectWords("devpro", rest, []);
      return { action, json };
    case "show": {
      const [id] = expectWords("devpro", rest, ["ID"]);
      return { action, id: id!, json };
    }
    case "check":
      expectWords("devpro", rest.slice(0, 1), ["FILE"]);
      if (!json) return { action, files: rest };
      throw new UsageError(
        'Unknown option "--json" of devpro check, expected FILE…',
        "devpro",
      );
    default:
      throw new UsageError(
        action === undefined
          ? "Missing what to do, expected list, show or check"
          : `Unknown word "${action}", expected list, show or check`,
        "devpro",
      );
  }
}

function topicOf(word: string): Topic {
  const topic = TOPICS.find((known) => known === word);
  if (topic !== undefined) return topic;
  throw new UsageError(
    `Unknown command "${word}", expected one of ${TOPICS.join(", ")}`,
  );
}

function parseFlags(
  topic: Topic,
  args: readonly string[],
): { flags: Values; words: readonly string[] } {
  let parsed: { values: Values; positionals: readonly string[] };
  try {
    parsed = parseArgs({
      // its value is optional, which parseArgs does not know
      args: args.map((arg) => arg === "--ostree" ? "--ostree=" : arg),
      options: Object.fromEntries(
        Object.entries(FLAGS[topic]).map(([name, flag]) => [
          name,
          flag.type === "string" ? { ...flag, multiple: true } : flag,
        ]),
      ),
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    // the runtimes word this differently, so only the option is taken from it
    const option = /'(-[^' ,]*)/.exec(
      error instanceof Error ? error.message : "",
    )?.[1];
    const known = Object.entries(FLAGS[topic])
      .map(([name, { short }]) =>
        short === undefined ? `--${name}` : `-${short}, --${name}`
      );
    const valued = args.find((arg) =>
      Object.entries(FLAGS[topic]).some(([name, { type }]) =>
        type === "boolean" && arg.startsWith(`--${name}=`)
      )
    );
    const lacking = Object.entries(FLAGS[topic]).find(([name, { short }]) =>
      option === `--${name}` || option === `-${short}`
    );
    if (valued === undefined && lacking !== undefined) {
      const [name, { short }] = lacking;
      const at = args.findIndex((arg) =>
        arg === `--${name}` || arg === `-${short}`
      );
      const next = at < 0 ? undefined : args[at + 1];
      const hint = next === undefined
        ? ""
        : `; write "--${name}=${next}" if that is it`;
      throw new UsageError(`Option "--${name}" needs a value${hint}`, topic);
    }
    const found = valued !== undefined
      ? `Option "${valued}" takes no value`
      : option === undefined
      ? "Cannot understand the options"
      : `Unknown option "${option}"`;
    throw new UsageError(`${found}, expected ${known.join(" or ")}`, topic);
  }
  const flags = Object.entries(parsed.values).map(([name, value]) => {
    if (!Array.isArray(value) || FLAGS[topic][name]?.multiple === true) {
      return [name, value];
    }
    if (value.length === 1) return [name, value[0]];
    throw new UsageError(
      `Option "--${name}" is given ${value.length} times, expected once`,
      topic,
    );
  });
  return { flags: Object.fromEntries(flags), words: parsed.positionals };
}

function expectWords(
  topic: Topic | undefined,
  words: readonly string[],
  required: readonly string[],
  optional: readonly string[] = [],
): readonly string[] {
  const missing = required.slice(words.length);
  if (missing.length > 0) {
    throw new UsageError(`Missing ${missing.join(" and ")}`, topic);
  }
  const extra = words[required.length + optional.length];
  if (extra !== undefined) {
    throw new UsageError(`Too many words: "${extra}"`, topic);
  }
  const empty = words.findIndex((word) => word === "");
  if (empty >= 0) {
    throw new UsageError(`Empty ${[...required, ...optional][empty]}`, topic);
  }
  return words;
}
