/**
 * The commands about device profiles.
 *
 * @module
 */

import { Document, isScalar, visit } from "yaml";
import { formatProblem } from "../../device/parse.ts";
import {
  indistinguishable,
  type PooledProfile,
  type ProfilePool,
} from "../../device/pool.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import { ProfileError } from "../../errors.ts";
import { loadProfiles, readProfile } from "../node/profiles.ts";
import { printable } from "./listing.ts";

/** What is to be done. */
export type DevproAction =
  | { readonly action: "list"; readonly json: boolean }
  | { readonly action: "show"; readonly id: string; readonly json: boolean }
  | { readonly action: "check"; readonly files: readonly string[] };

/** Where it writes. */
export interface DevproOutput {
  /** Results. */
  text(content: string): Promise<void>;
  /** What the user should know besides, one line. */
  warn(message: string): void;
}

/** Some of the files are no valid profiles; each problem was printed as a result. */
export class WrongProfiles extends Error {
  override readonly name = "WrongProfiles";
}

/** Runs one of the commands; rejects with its error. */
export async function runDevpro(
  command: DevproAction,
  output: DevproOutput,
  signal: AbortSignal,
): Promise<void> {
  switch (command.action) {
    case "list": {
      const pool = await load(output, signal);
      const rows = describe(pool);
      return await output.text(
        command.json ? `${JSON.stringify(rows)}\n` : formatTable(rows),
      );
    }
    case "show": {
      const { profile, origin, source } = (await load(output, signal))
        .get(command.id);
      return await output.text(
        command.json
          ? `${JSON.stringify({ origin, source, profile })}\n`
          : formatProfile(profile, origin === "local" ? source : origin),
      );
    }
    case "check":
      return await check(command.files, output, signal);
    default:
      return command satisfies never;
  }
}

async function load(
  output: DevproOutput,
  signal: AbortSignal,
): Promise<ProfilePool> {
  const { pool, warnings } = await loadProfiles({ signal });
  for (const { message } of warnings) output.warn(`${message}; skipped`);
  return pool;
}

async function check(
  files: readonly string[],
  output: DevproOutput,
  signal: AbortSignal,
): Promise<void> {
  let wrong = 0;
  for (const file of files) {
    try {
      const { id } = await readProfile(file, { signal });
      await output.text(`${file}: ok, ${id}\n`);
    } catch (error) {
      if (!(error instanceof ProfileError)) throw error;
      wrong++;
      const lines = error.problems
        .map((problem) => `${formatProblem(file, problem)}\n`);
      await output.text(lines.join(""));
    }
  }
  if (wrong > 0) {
    throw new WrongProfiles(
      `Cannot use ${wrong} of ${files.length} device profile${
        files.length === 1 ? "" : "s"
      }`,
    );
  }
}

interface Row {
  readonly id: string;
  readonly display_name?: string;
  /** Null where the machine brings its own. */
  readonly devicetree_name: string | null;
  /** `vid:pid` in hex. */
  readonly usb: readonly string[];
  readonly origin: PooledProfile["origin"];
  readonly source: string;
  /** Ids of those that answer alike: the user has to choose. */
  readonly indistinguishable_from: readonly string[];
}

function describe(pool: ProfilePool): Row[] {
  const groups = indistinguishable(pool);
  return pool.entries.map((entry) => {
    const { profile, origin, source } = entry;
    const { id, display_name, devicetree_name, match } = profile;
    const group = groups.find((group) => group.includes(entry)) ?? [];
    return {
      id,
      ...display_name === undefined ? {} : { display_name },
      devicetree_name,
      usb: match.map(({ fastboot: { vid, pid } }) =>
        `${hex(vid, 4)}:${hex(pid, 4)}`
      ),
      origin,
      source,
      indistinguishable_from: group.filter((other) => other !== entry)
        .map(({ profile }) => profile.id),
    };
  });
}

function formatTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.id,
    printable(row.display_name ?? ""),
    row.usb.join(" "),
    row.origin === "local" ? printable(row.source) : row.origin,
    row.indistinguishable_from.length === 0
      ? ""
      : `answers like ${row.indistinguishable_from.join(", ")}`,
  ]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(0, ...cells.map((row) => row[column]!.length))
  );
  return cells.map((row) =>
    `${
      row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd()
    }\n`
  ).join("");
}

const HEX_KEYS = /^(?:vid|pid|base|\w+_offset)$/;

/** A profile as its file would be, to start another one from. */
function formatProfile(profile: DeviceProfile, origin: string): string {
  const document = new Document(profile);
  document.commentBefore = ` ${printable(origin)}`;
  visit(document, {
    Pair(_, { key, value }) {
      if (!isScalar(key) || !HEX_KEYS.test(String(key.value))) return;
      if (isScalar(value)) value.format = "HEX";
    },
  });
  return document.toString({ lineWidth: 0, nullStr: "" });
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
