/**
 * Text in YAML or JSON → plain data, and where in the text each part of it stands.
 *
 * @module
 */

import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";
import type { ErrorCode, ProfileProblem } from "../errors.ts";

/** More than any profile needs, and little enough that nothing in it takes long. */
const MAX_LENGTH = 64 << 10;
/** Nodes that aliases may add: a few lines could stand for gigabytes. */
const MAX_ALIASES = 100;
/** Brackets inside one another, more than the form has levels and fewer than a stack. */
const MAX_DEPTH = 64;

/** A file that could be read. */
export interface Source {
  readonly data: unknown;
  /** Where the key or, when `what` says so, the value at a path stands, from 1. */
  place(
    path: readonly PropertyKey[],
    what?: "key" | "value",
  ): { line: number; column: number };
}

/** Reads one document; the problems when it cannot be read. */
export function readSource(
  text: string,
): Source | { problems: readonly ProfileProblem[] } {
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problem = (
    code: ErrorCode,
    offset: number,
    reason: string,
  ): ProfileProblem => ({ code, ...at(offset), path: "", reason });
  if (text.length > MAX_LENGTH) {
    return {
      problems: [problem(
        "profile.too-large",
        0,
        `found ${text.length} characters, expected at most ${MAX_LENGTH}`,
      )],
    };
  }
  const deep = findDepth(text);
  let document: Document.Parsed;
  try {
    if (deep !== undefined) throw new RangeError("too deep");
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      schema: "core",
      merge: false,
    });
  } catch (error) {
    // the parser calls itself for each level
    if (!(error instanceof RangeError)) throw error;
    return {
      problems: [problem(
        "profile.syntax",
        deep ?? 0,
        `found more than ${MAX_DEPTH} levels, expected a profile`,
      )],
    };
  }
  const problems: ProfileProblem[] = [];
  let broken = Infinity;
  let reason = "";
  for (
    const { code, message, pos } of [...document.errors, ...document.warnings]
  ) {
    const [offset] = pos;
    if (code === "DUPLICATE_KEY") {
      const key = JSON.stringify(keyAt(text, offset));
      problems.push(
        problem(
          "profile.duplicate-key",
          offset,
          `the key ${key} is there twice`,
        ),
      );
    } else if (code === "MULTIPLE_DOCS") {
      problems.push(problem(
        "profile.several-documents",
        offset,
        "found a second document, expected one profile in a file",
      ));
    } else if (offset < broken) {
      broken = offset;
      reason = message;
    }
  }
  // the first place of these is told, the others follow from it
  if (reason !== "") problems.push(problem("profile.syntax", broken, reason));
  if (problems.length === 0) {
    visit(document, {
      Pair(_, pair) {
        if (!isPair(pair) || isScalar(pair.key)) return;
        const offset = (pair.key as Node | null)?.range?.[0] ?? 0;
        problems.push(problem(
          "profile.syntax",
          offset,
          "found a key that is no text, expected a name",
        ));
      },
    });
  }
  if (problems.length > 0) return { problems };
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    let offset = 0;
    visit(document, {
      Alias(_, { range }) {
        offset = range?.[0] ?? 0;
        return visit.BREAK;
      },
    });
    const reason = /^Unresolved alias/.test(error.message)
      ? "found an alias of nothing, expected its anchor before it"
      : `found aliases that stand for more than ${MAX_ALIASES} values, expected a profile`;
    return { problems: [problem("profile.aliases", offset, reason)] };
  }
  return {
    data,
    place: (path, what = "value") => at(findOffset(document, path, what)),
  };
}

/** Where the text first nests deeper than any profile, by its brackets and dashes. */
function findDepth(text: string): number | undefined {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === "[" || char === "{") {
      if (++depth > MAX_DEPTH) return i;
    } else if (char === "]" || char === "}") depth = Math.max(0, depth - 1);
  }
  // "- - - - x" and "? ? ? x" open a level each
  const run = new RegExp(`(?:[-?] +){${MAX_DEPTH},}`).exec(text);
  return run?.index;
}

function keyAt(text: string, offset: number): string {
  return /^[^\s:]*/.exec(text.slice(offset, offset + 200))![0]
    .replace(/^["']|["']$/g, "");
}

/** The offset of the deepest part of `path` that is there. */
function findOffset(
  document: Document.Parsed,
  path: readonly PropertyKey[],
  what: "key" | "value",
): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const [i, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    let key: unknown;
    let value: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) =>
        isScalar(key) && String(key.value ?? "") === String(part)
      );
      if (pair === undefined) return offset;
      key = pair.key;
      value = pair.value;
    } else if (isSeq(node)) {
      value = node.items[Number(part)];
      if (value === undefined) return offset;
    } else return offset;
    node = value;
    const last = i === path.length - 1;
    const place = last && what === "value" && !isEmpty(value)
      ? value
      : key ?? value;
    offset = (place as Node | undefined)?.range?.[0] ?? offset;
  }
  return offset;
}

/** Nothing after the colon: the key is the better place to show. */
function isEmpty(value: unknown): boolean {
  return value === null || isScalar(value) && value.value === null;
}
