/**
 * `fastboop cache`, and the store that all commands keep downloads in.
 *
 * @module
 */

import process from "node:process";
import { cacheFolder } from "../node/cache_folder.ts";
import {
  type DiskEntry,
  type DiskStore,
  openDiskStore,
  type Removed,
} from "../node/disk_store.ts";
import type { CacheAction } from "./cache_grammar.ts";
import { printable } from "./listing.ts";
import { type Output, resultText } from "./output.ts";
import { byteSize } from "./values.ts";
import { formatBytes } from "./view/format.ts";

/** The user's own limit, as `--max` takes it. */
const LIMIT_VARIABLE = "FASTBOOP_CACHE_MAX";

/**
 * The store that commands keep downloads in: in the folder of the environment's `FASTBOOP_CACHE` or
 * the platform's, bounded by `FASTBOOP_CACHE_MAX`. Nothing is touched before it is used.
 *
 * @throws {UsageError} when `FASTBOOP_CACHE_MAX` is no size.
 */
export function openCache(output: Pick<Output, "warn">): DiskStore {
  const limit = process.env[LIMIT_VARIABLE];
  return openDiskStore(cacheFolder(), {
    maxBytes: limit ? byteSize(limit, LIMIT_VARIABLE) : undefined,
    onWarning: (error) => output.warn(error.message),
  });
}

/** Runs the command. */
export async function runCache(
  command: CacheAction,
  output: Output,
): Promise<void> {
  const store = openCache(output);
  switch (command.action) {
    case "path":
      return await resultText(output, `${store.folder}\n`);
    case "list": {
      const entries = await store.list();
      const bytes = entries.reduce((sum, { bytes }) => sum + bytes, 0);
      const text = command.json
        ? `${JSON.stringify({ folder: store.folder, bytes, entries })}\n`
        : formatEntries(entries, output.terminal);
      return await resultText(output, text);
    }
    case "prune": {
      const removed = await store.prune(command.maxBytes);
      return await resultText(output, formatRemoved(removed));
    }
    case "clear": {
      const removed = await store.prune(0);
      await resultText(output, formatRemoved(removed));
      if (removed.left === 0) return;
      output.warn(
        `${
          formatBytes(removed.left)
        } are in use by programs that run, and stay`,
      );
      return;
    }
    default:
      return command satisfies never;
  }
}

function formatEntries(
  entries: readonly DiskEntry[],
  terminal: boolean,
): string {
  const rows = entries.map(({ name, size, kept, usedAt, inUse, bytes }) => [
    size !== undefined && kept === size
      ? formatBytes(bytes)
      : `${formatBytes(bytes)} of ${
        size === undefined ? "?" : formatBytes(size)
      }`,
    new Date(usedAt).toISOString().slice(0, 16).replace("T", " "),
    inUse ? "in use" : "",
    name === "" ? "(damaged)" : terminal ? printable(name) : name,
  ]);
  const widths = [0, 1, 2].map((i) =>
    Math.max(0, ...rows.map((row) => row[i]!.length))
  );
  return rows.map((row) =>
    `${
      row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).filter((_, i) =>
        i === 3 || widths[i]! > 0
      ).join("  ")
    }\n`
  ).join("");
}

function formatRemoved({ entries, removed, left }: Removed): string {
  const what = entries === 1 ? "1 entry" : `${entries} entries`;
  return `Removed ${what}, ${formatBytes(removed)}; ${
    formatBytes(left)
  } are left\n`;
}
