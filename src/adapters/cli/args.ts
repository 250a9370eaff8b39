/**
 * What was typed, as a command.
 *
 * @module
 */

import {
  CommanderError,
  type CommandUnknownOpts as Program,
} from "@commander-js/extra-typings";
import { type Command, UsageError } from "./command.ts";
import type { CompletedCommand } from "./completion.ts";
import { grammar } from "./grammar.ts";

export { UsageError } from "./command.ts";

/** How help is laid out. */
export interface HelpOptions {
  /** Columns of the terminal; 100 when it is none. */
  readonly columns?: number | undefined;
}

/**
 * Reads the words after the program's name.
 *
 * @throws {UsageError}
 */
export function parseCommand(
  args: readonly string[],
  { columns = 100 }: HelpOptions = {},
): Command {
  let command: Command | undefined;
  let text = "";
  const program = grammar((typed) => command = typed);
  let topic: string | undefined;
  for (const { name, one } of all(program)) {
    one.configureOutput({
      writeOut: (more) => text += more,
      writeErr: (more) => text += more,
      outputError: () => {},
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
    });
    one.helpOption("-h, --help", "print this");
    one.exitOverride((error) => {
      topic ??= name || undefined;
      throw error;
    });
    if (name !== "") one.hook("preAction", () => void (topic = name));
  }
  try {
    program.parse(
      args.length === 0
        ? ["--help"]
        : rewritten(args, program.commands.map((one) => one.name())),
      {
        from: "user",
      },
    );
  } catch (error) {
    if (error instanceof UsageError) {
      throw new UsageError(
        error.message,
        error.topic ?? topicOf(args, program),
      );
    }
    if (!(error instanceof CommanderError)) throw error;
    switch (error.code) {
      case "commander.helpDisplayed":
        return { kind: "help", text };
      case "commander.version":
        return { kind: "version" };
      case "commander.help": {
        // a command that only has commands below it, and none was named
        const last = find(program, args);
        throw new UsageError(
          `Missing what to do, expected ${namesBelow(last)}`,
          topicOf(args, program),
        );
      }
      default:
        throw new UsageError(
          tidy(error, program, args),
          topicOf(args, program),
        );
    }
  }
  if (command === undefined) throw new UsageError("Missing a command");
  return command;
}

/** All commands and their options, for completion. */
export function describeGrammar(): CompletedCommand[] {
  return [...all(grammar(() => {}))].map(({ name, one }) => ({
    path: name,
    words: [
      ...one.commands.map((below) => ({
        name: below.name(),
        about: below.summary() || below.description(),
      })),
      ...name === "" ? [{ name: "help", about: "tell more" }] : [],
    ],
    options: [
      ...one.options.flatMap((
        { long, short, description, required, optional },
      ) =>
        [long, short].flatMap((flag) =>
          flag
            ? [{ name: flag, about: description, value: required || optional }]
            : []
        )
      ),
      { name: "--help", about: "print help", value: false },
    ],
    choices: one.registeredArguments.flatMap(({ argChoices }) =>
      argChoices ?? []
    ),
  }));
}

/** Spellings that the library does not know. */
function rewritten(
  args: readonly string[],
  commands: readonly string[],
): string[] {
  if (args[0] === "help") {
    // the library's own knows no command below a command, and takes any word
    const [first, ...rest] = args.slice(1);
    const known = first === undefined || commands.includes(first);
    return known ? [...args.slice(1), "--help"] : [first, ...rest];
  }
  const end = args.indexOf("--");
  return args.map((arg, at) => {
    if (end >= 0 && at > end) return arg;
    // its value is optional, and the next word is not it
    if (arg === "--ostree") return "--ostree=";
    // as the option is also known
    if (arg === "--cmdline") return "--cmdline-append";
    if (arg.startsWith("--cmdline=")) {
      return arg.replace("--cmdline", "--cmdline-append");
    }
    return arg;
  });
}

function* all(
  program: Program,
  path = "",
): Generator<{ name: string; one: Program }> {
  yield { name: path, one: program };
  for (const below of program.commands) {
    const name = path === "" ? below.name() : `${path} ${below.name()}`;
    yield* all(below, name);
  }
}

/** The command that the words lead to. */
function find(program: Program, args: readonly string[]): Program {
  let at = program;
  for (const arg of args) {
    at = at.commands.find((one) => one.name() === arg) ?? at;
  }
  return at;
}

function topicOf(
  args: readonly string[],
  program: Program,
): string | undefined {
  return program.commands.find((one) => one.name() === args[0])?.name();
}

function namesBelow(program: Program): string {
  const names = program.commands.map((one) => one.name());
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** What the library says, as we say things. */
function tidy(
  error: CommanderError,
  program: Program,
  args: readonly string[],
): string {
  const [first = "", hint] = error.message.replace(/^error: /, "").split("\n");
  const text = `${first.charAt(0).toUpperCase()}${first.slice(1)}`
    .replaceAll(/'([^']*)'/g, '"$1"').replace(/\.$/, "");
  const guess = /\(Did you mean (.*)\?\)/.exec(hint ?? "")?.[1];
  if (guess !== undefined) return `${text}; did you mean ${guess}?`;
  if (error.code !== "commander.unknownCommand") return text;
  return `${text}, expected ${namesBelow(find(program, args))}`;
}
