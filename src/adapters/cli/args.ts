/**
 * What was typed, as a command.
 *
 * @module
 */

import { parseArgs } from "node:util";
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
  | { readonly kind: "devpro" } & DevproAction;

/** Commands that help exists for. */
export type Topic = "ls" | "cat" | "inspect" | "devpro";

/** What was typed is no command. The message says what would be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly topic: Topic | undefined;

  constructor(message: string, topic?: Topic) {
    super(message);
    this.topic = topic;
  }
}

type Flags = Readonly<Record<string, { type: "boolean"; short?: string }>>;

const HELP: Flags = { help: { type: "boolean", short: "h" } };
const FLAGS: Readonly<Record<Topic, Flags>> = {
  ls: {
    ...HELP,
    long: { type: "boolean", short: "l" },
    recursive: { type: "boolean", short: "R" },
  },
  cat: HELP,
  inspect: { ...HELP, json: { type: "boolean" } },
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
    case "devpro":
      return { kind: topic, ...parseDevpro(words, flags["json"] === true) };
    default:
      return topic satisfies never;
  }
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

function parseFlags(topic: Topic, args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: FLAGS[topic],
      allowPositionals: true,
      strict: true,
    });
    return {
      flags: values as Record<string, boolean | undefined>,
      words: positionals,
    };
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
      Object.keys(FLAGS[topic]).some((name) => arg.startsWith(`--${name}=`))
    );
    const found = valued !== undefined
      ? `Option "${valued}" takes no value`
      : option === undefined
      ? "Cannot understand the options"
      : `Unknown option "${option}"`;
    throw new UsageError(`${found}, expected ${known.join(" or ")}`, topic);
  }
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
