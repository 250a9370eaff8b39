/**
 * Pipeline documents: YAML or JSON that says how an image is got at.
 *
 * @module
 */

import { findNearest } from "../device/nearest.ts";
import { readSource } from "../device/source.ts";
import {
  type ErrorCode,
  ProfileError,
  type ProfileProblem,
} from "../errors.ts";
import {
  MAX_WRAPPERS,
  SELECTORS,
  type Step,
  STEP_FORMS,
  STEP_KINDS,
  type StepKind,
} from "./step.ts";

type Mapping = Readonly<Record<string, unknown>>;
type Path = readonly PropertyKey[];

/** A problem before anyone looked where in the text it is. */
interface Finding {
  readonly code: ErrorCode;
  readonly path: Path;
  readonly reason: string;
}

/** Thrown within this file alone. */
class Wrong extends Error {
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    super("the document is wrong");
    this.findings = findings;
  }
}

/**
 * Reads a pipeline document.
 *
 * A mapping has exactly one step key: `http`, `file`, `casync`, `xz`, `tar`, `android_sparseimg`, `mbr`
 * or `gpt`. What wraps another step holds it directly (`xz: {file: a.xz}`, `gpt: {index: 0, file: …}`)
 * or as `source:`. Unknown keys are refused at every level. `content` beside a step is about the bytes
 * which that step gives: their size and their digest.
 *
 * @param name What messages call the document.
 * @throws {ProfileError} `pipeline.syntax`, `pipeline.no-step`, `pipeline.several-steps`,
 * `pipeline.unknown-key`, `pipeline.wrong-value`, `pipeline.no-selector`, `pipeline.several-selectors`,
 * `pipeline.too-deep`
 *
 * @example
 * ```ts
 * import { parsePipeline } from "./parse.ts";
 *
 * const step = parsePipeline("gpt: { partlabel: root, xz: { file: disk.img.xz } }", "a.yaml");
 * console.assert(step.kind === "gpt" && step.source.kind === "xz");
 * ```
 */
export function parsePipeline(text: string, name: string): Step {
  const source = readSource(text);
  if ("problems" in source) {
    const problems = source.problems.map((problem) => ({
      ...problem,
      code: "pipeline.syntax" as const,
    }));
    throw failed(name, problems);
  }
  try {
    return readStep(source.data, [], 0);
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    throw failed(
      name,
      error.findings.map(({ path, ...rest }) => ({
        ...rest,
        path: path.map(String).join("."),
        ...source.place(path, "key"),
      })),
    );
  }
}

/**
 * Tells whether a file is meant as a pipeline document rather than as an image: it is text, and called
 * so or begun by a key. Which keys there are is for {@linkcode parsePipeline} to say, who knows better
 * what was meant.
 *
 * @param file All of it.
 * @param name May end in `.yaml`, `.yml` or `.json`.
 */
export function looksLikePipeline(file: Uint8Array, name: string): boolean {
  const text = new TextDecoder().decode(file);
  // deno-lint-ignore no-control-regex -- no text has them, and images do
  if (/[\0-\x08\x0e-\x1f]/.test(text)) return false;
  return /\.(?:ya?ml|json)(?:\?|$)/i.test(name) ||
    /^(?:\s|#[^\n]*\n|---\s*\n|\{)*"?[a-z][\w-]*"?\s*:(?:\s|["{[]|$)/i.test(
      text,
    );
}

/** @param around Keys of the step around it that may stand in the same mapping. */
function readStep(
  value: unknown,
  path: Path,
  depth: number,
  around: readonly string[] = [],
): Step {
  if (depth > MAX_WRAPPERS) {
    const reason = `found more than ${MAX_WRAPPERS} steps around a source`;
    throw wrong("pipeline.too-deep", path, reason);
  }
  const mapping = asMapping(value, path);
  const kind = kindOf(mapping, path, around);
  if (kind === "http" || kind === "file") {
    return { kind, ...fields(kind, mapping, path, around) } as Step;
  }
  const inner = [...path, kind];
  const { [kind]: below, ...beside } = mapping;
  if (kind === "casync") {
    // beside the key nothing stands; the short form is the index alone
    if (typeof below !== "string") {
      refuseKeys(beside, path, around);
      return { kind, ...fields(kind, asMapping(below, inner), inner) } as Step;
    }
    const { content, ...others } = beside;
    refuseKeys(others, path, ["content", ...around]);
    const index = content === undefined ? { index: below } : {
      index: below,
      content,
    };
    return { kind, ...fields(kind, index, path) } as Step;
  }
  const { content, ...others } = beside;
  refuseKeys(others, path, ["content", ...around]);
  return readWrapper(kind, asMapping(below, inner), content, inner, depth);
}

/** A step around another one, which stands in `source` or directly in the mapping. */
function readWrapper(
  kind: Exclude<StepKind, "http" | "file" | "casync">,
  mapping: Mapping,
  content: unknown,
  path: Path,
  depth: number,
): Step {
  const own = Object.keys(STEP_FORMS[kind].shape);
  const mine: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(mapping)) {
    (own.includes(key) ? mine : rest)[key] = value;
  }
  if (content !== undefined && mine["content"] !== undefined) {
    throw wrong(
      "pipeline.wrong-value",
      [...path, "content"],
      `found content beside and inside "${kind}", expected it once`,
    );
  }
  if (content !== undefined) mine["content"] = content;
  const checked = fields(kind, mine, path);
  const { source, ...flat } = rest;
  if (source !== undefined) refuseKeys(flat, path, [...own, "source"]);
  const step = source === undefined
    ? readStep(flat, path, depth + 1, own)
    : readStep(source, [...path, "source"], depth + 1);
  // last: a selector that is misspelt was told as what it is by now
  if (kind === "gpt" || kind === "mbr") checkSelectors(kind, mine, path);
  return { kind, source: step, ...checked } as Step;
}

function checkSelectors(kind: "gpt" | "mbr", mine: Mapping, path: Path): void {
  const names = SELECTORS[kind];
  const given = names.filter((name) => mine[name] !== undefined);
  if (given.length === 1) return;
  throw wrong(
    given.length === 0 ? "pipeline.no-selector" : "pipeline.several-selectors",
    path,
    `found ${given.join(" and ") || "no partition named"}, expected one of ${
      names.join(", ")
    }`,
  );
}

function asMapping(value: unknown, path: Path): Mapping {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Mapping;
  }
  throw wrong(
    "pipeline.wrong-value",
    path,
    `found ${
      JSON.stringify(value)?.slice(0, 80) ?? "nothing"
    }, expected a step: one of ${STEP_KINDS.join(", ")}`,
  );
}

function kindOf(
  mapping: Mapping,
  path: Path,
  around: readonly string[],
): StepKind {
  const kinds = Object.keys(mapping)
    .filter((key): key is StepKind => Object.hasOwn(STEP_FORMS, key));
  const [kind] = kinds;
  if (kind !== undefined && kinds.length === 1) return kind;
  if (kinds.length > 1) {
    throw wrong(
      "pipeline.several-steps",
      [...path, kinds[1]!],
      `found ${kinds.join(" and ")} in one mapping, expected one step`,
    );
  }
  const keys = Object.keys(mapping);
  const nearest = keys.map((key) =>
    findNearest(key, [...STEP_KINDS, ...around])
  )
    .find((found) => found !== undefined);
  throw wrong(
    "pipeline.no-step",
    path,
    `found ${keys.slice(0, 5).join(", ") || "nothing"}, expected one of ${
      STEP_KINDS.join(", ")
    }${nearest === undefined ? "" : `; did you mean "${nearest}"?`}`,
  );
}

/** The fields of a step, checked. */
function fields(
  kind: StepKind,
  mapping: Mapping,
  path: Path,
  around: readonly string[] = [],
): object {
  const form = STEP_FORMS[kind];
  const result = form.safeParse(mapping);
  if (result.success) return result.data;
  throw new Wrong(result.error.issues.flatMap((issue) => {
    const at = [...path, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) =>
        unknownKey([...at, key], key, [...Object.keys(form.shape), ...around])
      );
    }
    return {
      code: "pipeline.wrong-value" as const,
      path: at,
      reason: reasonOf(issue),
    };
  }));
}

function reasonOf(
  issue: { readonly code: string; readonly message: string },
): string {
  const { expected, values, minimum, maximum } = issue as {
    expected?: string;
    values?: readonly unknown[];
    minimum?: number;
    maximum?: number;
  };
  switch (issue.code) {
    case "invalid_type":
      return `expected ${expected === "string" ? "text" : expected}`;
    case "invalid_value":
      return `expected one of ${values?.join(", ")}`;
    case "too_small":
      return `expected at least ${minimum}`;
    case "too_big":
      return `expected at most ${maximum}`;
    default:
      return `expected ${issue.message}`;
  }
}

function refuseKeys(
  rest: Mapping,
  path: Path,
  known: readonly string[],
): void {
  const keys = Object.keys(rest);
  if (keys.length === 0) return;
  throw new Wrong(keys.map((key) => unknownKey([...path, key], key, known)));
}

function unknownKey(
  path: Path,
  key: string,
  all: readonly string[],
): Finding {
  const known = [...new Set(all)];
  const nearest = findNearest(key, known);
  return {
    code: "pipeline.unknown-key",
    path,
    reason: `unknown key "${key}", expected ${
      known.length === 0 ? "no other" : known.join(", ")
    }${nearest === undefined ? "" : `; did you mean "${nearest}"?`}`,
  };
}

function wrong(code: ErrorCode, path: Path, reason: string): Wrong {
  return new Wrong([{ code, path, reason }]);
}

function failed(
  name: string,
  problems: readonly ProfileProblem[],
): ProfileError {
  const { code, line, column, path, reason } = problems[0]!;
  return new ProfileError(
    code,
    `Cannot use pipeline "${name}", line ${line}, column ${column}${
      path === "" ? "" : `, ${path}`
    }: ${reason}`,
    { problems, facts: { name, line, column, path } },
  );
}
