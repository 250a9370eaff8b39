/**
 * What the form finds wrong, said so that a person can mend it.
 *
 * @module
 */

import type { ErrorCode } from "../errors.ts";
import { findNearest } from "./nearest.ts";
import { keysAt, placesOf, PROFILE_SCHEMA } from "./schema.ts";

/** A path into the data: keys and list indexes. */
export type Path = readonly PropertyKey[];

/** A problem before anyone looked where in the text it is. */
export interface Finding {
  readonly code: ErrorCode;
  readonly path: Path;
  /** Show the key rather than its value. */
  readonly at?: "key" | "value";
  readonly reason: string;
  readonly found?: string;
  readonly expected?: string;
  readonly nearest?: string;
}

/** Keys of a probe step of which exactly one is to be there. */
export const COMPARATORS = keysAt(["probe", 0])
  .filter((key) => key !== "fastboot.getvar");

/** Everything that is wrong with the form of `data`. */
export function findFormProblems(data: unknown): Finding[] {
  const result = PROFILE_SCHEMA.safeParse(data);
  if (result.success) return [];
  const unknown: Finding[] = [];
  const others: Finding[] = [];
  for (const issue of result.error.issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        unknown.push(unknownKey(issue.path, key, data));
      }
    } else others.push(wrongValue(issue as Issue, data));
  }
  // a misspelt key is one mistake, not two
  const meant = new Set(
    unknown.filter(({ nearest }) => nearest !== undefined)
      .map(({ path, nearest }) => showPath([...path.slice(0, -1), nearest!])),
  );
  const told = new Set<string>();
  return [
    ...unknown,
    ...others.filter(({ path, code }) => {
      const shown = showPath(path);
      if (code === "profile.missing-key" && meant.has(shown)) return false;
      if (told.has(shown)) return false;
      told.add(shown);
      return true;
    }),
  ];
}

/** The parts of an issue that are used, whatever its kind. */
interface Issue {
  readonly code: string;
  readonly path: PropertyKey[];
  readonly message: string;
  readonly expected?: string;
  readonly values?: readonly unknown[];
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly origin?: string;
}

function unknownKey(path: Path, key: string, data: unknown): Finding {
  const present = valueAt(data, path) as Readonly<Record<string, unknown>>;
  const keys = keysAt(path);
  const nearest = findNearest(
    key,
    keys.filter((known) => !Object.hasOwn(present, known)),
  );
  const expected = keys.join(", ");
  const elsewhere = nearest === undefined ? placesOf(key) : [];
  const hint = nearest !== undefined
    ? `; did you mean ${quote(nearest)}?`
    : elsewhere.length > 0
    ? `; it belongs to ${
      elsewhere.map((place) => place || "the top level").join(" or ")
    }`
    : "";
  return {
    code: "profile.unknown-key",
    path: [...path, key],
    at: "key",
    reason: `unknown key ${quote(key)}, expected ${
      keys.length > 1 ? "one of " : ""
    }${expected}${hint}`,
    found: key,
    expected,
    ...nearest === undefined ? {} : { nearest },
  };
}

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a whole number",
  int: "a whole number",
  object: "a mapping",
  array: "a list",
  null: "nothing after the colon",
};

function wrongValue(issue: Issue, data: unknown): Finding {
  const { path } = issue;
  const value = valueAt(data, path);
  const found = describe(value);
  if (value === undefined) {
    const key = String(path.at(-1));
    return {
      code: "profile.missing-key",
      path,
      at: "key",
      reason: `missing key ${quote(key)}${
        issue.values === undefined
          ? ""
          : `, expected ${listValues(issue.values)}`
      }`,
      expected: key,
    };
  }
  const finding = (code: ErrorCode, expected: string, hint = ""): Finding => ({
    code,
    path,
    at: "value",
    reason: `found ${found}, expected ${expected}${hint}`,
    found,
    expected,
  });
  switch (issue.code) {
    case "invalid_type":
      return finding(
        "profile.wrong-type",
        TYPES[issue.expected ?? ""] ?? issue.expected ?? "something else",
        issue.expected === "string" && typeof value !== "object"
          ? "; put it in quotes"
          : typeof value === "string" && value !== "" && !isNaN(Number(value))
          ? "; take the quotes away"
          : "",
      );
    case "invalid_value": {
      const values = issue.values ?? [];
      const nearest = typeof value === "string"
        ? findNearest(value, values.filter((one) => typeof one === "string"))
        : undefined;
      const wrongType = values.every((one) => typeof one !== typeof value);
      const hint = nearest === undefined
        ? ""
        : `; did you mean ${quote(nearest)}?`;
      return {
        ...finding(
          wrongType ? "profile.wrong-type" : "profile.wrong-value",
          listValues(values),
          hint,
        ),
        ...nearest === undefined ? {} : { nearest },
      };
    }
    case "too_small":
    case "too_big": {
      const least = issue.code === "too_small";
      const bound = least ? issue.minimum : issue.maximum;
      return finding(
        "profile.wrong-value",
        `${least ? "at least" : "at most"} ${bound}${
          issue.origin === "array" ? " in the list" : ""
        }`,
      );
    }
    default:
      return finding("profile.wrong-value", issue.message);
  }
}

function listValues(values: readonly unknown[]): string {
  return `${values.length > 1 ? "one of " : ""}${values.join(", ")}`;
}

/** What is there, in few words; never the whole of a long text. */
export function describe(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "a mapping";
  if (typeof value === "string") return quote(value);
  return String(value);
}

/** In quotes, short enough for a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** The part of `data` at `path`; `undefined` when there is none. */
export function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    if (!Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return value;
}

/** A path as it is shown: `probe[0]["fastboot.getvar"]`. */
export function showPath(path: Path): string {
  return path.map((part, i) =>
    typeof part === "number"
      ? `[${part}]`
      : /^[\w-]+$/.test(String(part))
      ? `${i > 0 ? "." : ""}${String(part)}`
      : `[${quote(String(part))}]`
  ).join("");
}
