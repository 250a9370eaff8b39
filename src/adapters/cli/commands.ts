/**
 * What each command does. Results go to `output.result`; nothing here exits or reads `argv`.
 *
 * @module
 */

import { concat } from "../../bytes/concat.ts";
import { encodeName } from "../../bytes/text.ts";
import { FormatError } from "../../errors.ts";
import type { FileSystem, Inode } from "../../fs/filesystem.ts";
import { shownUrl } from "../../http/address.ts";
import type { Command } from "./command.ts";
import { withSource } from "./image_source.ts";
import { isLink } from "./sources.ts";
import { formatInspection, inspect } from "./inspection.ts";
import { formatLong, printable } from "./listing.ts";
import { type Output, resultText as text } from "./output.ts";

/** Bytes of a file that are read and written together. */
const CAT_BYTES = 1 << 20;
/** Bytes of a listing that are written together. */
const LIST_BYTES = 1 << 16;

/** All but those that only print what is known. */
export type RunnableCommand = Exclude<
  Command,
  { readonly kind: "help" | "version" }
>;

/** Runs a command; rejects with its error. */
export async function runCommand(
  command: RunnableCommand,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  switch (command.kind) {
    case "ls":
      return await withSource(
        command.image,
        output,
        signal,
        ({ files }) => list(files, command, output, signal),
      );
    case "cat":
      return await withSource(
        command.image,
        output,
        signal,
        ({ files }) => print(files, command.path, output, signal),
      );
    case "inspect": {
      const { image, json } = command;
      return await withSource(image, output, signal, async (source) => {
        const { path } = image;
        const name = isLink(path) ? shownUrl(path) : path;
        const facts = await inspect(name, source, signal);
        const shown = json
          ? `${JSON.stringify(facts)}\n`
          : formatInspection(facts);
        await text(output, shown);
      });
    }
    case "build": {
      const { runBuild } = await import("./build.ts");
      return await withSource(
        command.image,
        output,
        signal,
        (source) => runBuild(source, command, output, signal),
      );
    }
    case "devpro": {
      // its parser takes longer to load than all the rest
      const { runDevpro } = await import("./devpro.ts");
      return await runDevpro(
        command,
        {
          text: (content) => text(output, content),
          warn: (message) => output.warn(message),
        },
        signal,
      );
    }
    // each loads what it needs only when it is called
    case "boot": {
      const { runBootCommand } = await import("./boot.ts");
      return await runBootCommand(command, output, signal);
    }
    case "try": {
      const { runTry } = await import("./try.ts");
      return await runTry(command, output, signal);
    }
    case "phone": {
      const { runPhone } = await import("./phone.ts");
      return await runPhone(command, output, signal);
    }
    case "detect": {
      const { runDetect } = await import("./detect.ts");
      return await runDetect(command, output, signal);
    }
    case "cache": {
      const { runCache } = await import("./cache.ts");
      return await runCache(command, output);
    }
    case "udev": {
      const { runUdev } = await import("./udev.ts");
      return await runUdev(output, signal);
    }
    case "completion": {
      const { completionScript } = await import("./completion.ts");
      const { describeGrammar } = await import("./args.ts");
      return await text(
        output,
        completionScript(command.shell, describeGrammar()),
      );
    }
    default:
      return command satisfies never;
  }
}

async function list(
  files: FileSystem,
  command: Extract<Command, { kind: "ls" }>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const { path, long, recursive } = command;
  const lines = new LineBuffer(output);
  const add = async (name: string, inode: Inode) => {
    const shown = output.terminal ? printable(name) : name;
    if (!long) return await lines.add(shown);
    const target = inode.type === "symlink"
      ? await files.source.readLink(inode, { signal })
      : undefined;
    const suffix = target === undefined
      ? ""
      : output.terminal
      ? printable(target)
      : target;
    await lines.add(
      formatLong(inode, shown, target === undefined ? undefined : suffix),
    );
  };
  const top = await files.stat(path, { signal });
  if (top.type !== "directory") await add(path, top);
  else if (recursive) {
    // a walk follows no links, but its start is what the user named
    const link = (await files.lstat(path, { signal })).type === "symlink";
    const start = link ? `${path}/` : path;
    for await (const entry of files.walk(start, { signal })) {
      await add(entry.path, entry.inode);
    }
  } else {
    for await (const { name, number } of files.list(path, { signal })) {
      if (long) await add(name, await files.source.inode(number, { signal }));
      else await lines.add(output.terminal ? printable(name) : name);
    }
  }
  await lines.flush();
}

/** Collects lines: one write a name would cost more than reading the image. */
class LineBuffer {
  readonly #output: Output;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  async add(line: string): Promise<void> {
    const bytes = encodeName(`${line}\n`);
    this.#parts.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= LIST_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const all = concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    if (all.length > 0) await this.#output.result(all);
  }
}

async function print(
  files: FileSystem,
  path: string,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const inode = await files.stat(path, { signal });
  if (inode.type !== "file") {
    throw new FormatError(
      "fs.not-a-file",
      `Cannot print "${path}" of "${files.name}": found a ${inode.type}, expected a file; ` +
        "see the directory with ls",
      { facts: { path, type: inode.type } },
    );
  }
  const content = files.source.open(inode);
  for (let offset = 0; offset < content.size;) {
    // the output may still hold the last buffer, so each piece has its own
    const piece = new Uint8Array(Math.min(CAT_BYTES, content.size - offset));
    offset += await content.read(offset, piece, { signal });
    await output.result(piece);
  }
}
