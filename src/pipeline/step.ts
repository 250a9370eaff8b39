/**
 * The steps of a pipeline document: how an image is got at, written down by hand.
 *
 * @module
 */

// `zod/mini`: the same checks as `zod` in a sixteenth of the bytes
import * as z from "zod/mini";

const FILLED = z.string().check(z.regex(/\S/, "text that is not blank"));
const LBA_SIZE = z.literal([512, 1024, 2048, 4096]);
const INDEX = z.int().check(z.minimum(0), z.maximum(0xffff));
const NUMBER = z.int().check(z.minimum(1), z.maximum(0x10000));

/** Scheme of a URL; paths have none. */
function schemeOf(place: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(place)?.[1]?.toLowerCase();
}

function isLink(place: string): boolean {
  return /^https?$/.test(schemeOf(place) ?? "") && URL.canParse(place);
}

function isFile(place: string): boolean {
  const scheme = schemeOf(place);
  if (scheme !== "file") return scheme === undefined && place.trim() !== "";
  // of another machine's files, URLs say which machine
  return URL.canParse(place) && new URL(place).host === "";
}

const LINK = z.string().check(
  z.refine(isLink, "a link, http://… or https://…"),
);
const FILE = z.string().check(
  z.refine(isFile, "a path, text that is not blank, or file:///…"),
);
const PLACE = z.string().check(
  z.refine(
    (place) => isFile(place) || isLink(place),
    "a path, text that is not blank, or file:///…, http://…, https://…",
  ),
);

const CONTENT = z.strictObject({
  digest: z.string().check(z.regex(
    /^(?:sha512:[0-9a-f]{128}|sha256:[0-9a-f]{64})$/,
    "sha512: and 128, or sha256: and 64 lower-case hexadecimal digits",
  )),
  size_bytes: z.int().check(z.minimum(0), z.maximum(Number.MAX_SAFE_INTEGER)),
});

/** What the bytes that a step gives must be. */
export interface Content {
  /** `sha512:` or `sha256:` and lower-case hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size_bytes: number;
}

/** Fields of each step besides the step below it, as `kind: form`. Unknown keys are refused. */
export const STEP_FORMS = {
  http: z.strictObject({
    http: LINK,
    cors_safelisted_mode: z.optional(z.boolean()),
    content: z.optional(CONTENT),
  }),
  file: z.strictObject({ file: FILE, content: z.optional(CONTENT) }),
  casync: z.strictObject({
    index: PLACE.check(z.regex(
      /^(?![^?#]*\.caidx(?:[?#]|$))/i,
      "an index of a file (.caibx), not of a directory",
    )),
    chunk_store: z.optional(PLACE),
    content: z.optional(CONTENT),
  }),
  xz: z.strictObject({ content: z.optional(CONTENT) }),
  tar: z.strictObject({ entry: FILLED, content: z.optional(CONTENT) }),
  android_sparseimg: z.strictObject({ content: z.optional(CONTENT) }),
  mbr: z.strictObject({
    partuuid: z.optional(FILLED),
    index: z.optional(INDEX),
    number: z.optional(NUMBER),
    lba_size: z.optional(LBA_SIZE),
    content: z.optional(CONTENT),
  }),
  gpt: z.strictObject({
    partlabel: z.optional(FILLED),
    partuuid: z.optional(FILLED),
    index: z.optional(INDEX),
    number: z.optional(NUMBER),
    lba_size: z.optional(LBA_SIZE),
    content: z.optional(CONTENT),
  }),
} as const;

/** Name of a step. */
export type StepKind = keyof typeof STEP_FORMS;

/** All names, sources first. */
export const STEP_KINDS = Object.keys(STEP_FORMS) as readonly StepKind[];

/** Steps that have no step below them. */
export type SourceKind = "http" | "file" | "casync";

/** What every step may say. */
export interface AnyStep {
  /** Absent when nothing is said of the bytes. */
  readonly content?: Content | undefined;
}

/** A step around another one. */
export interface WrapperStep extends AnyStep {
  /** The step below. */
  readonly source: Step;
}

/** A partition of the step below; one of the selectors is there. */
export interface PartitionStep extends WrapperStep {
  /** Which kind of table. */
  readonly kind: "gpt" | "mbr";
  /** Of GPT alone. */
  readonly partlabel?: string | undefined;
  /** PARTUUID. */
  readonly partuuid?: string | undefined;
  /** Slot, from 0. */
  readonly index?: number | undefined;
  /** As people and Linux count, from 1. */
  readonly number?: number | undefined;
  /** Bytes of a sector; found when absent. */
  readonly lba_size?: number | undefined;
}

/** A link. `cors_safelisted_mode` changes nothing: no other headers are sent anyway. */
export interface HttpStep extends AnyStep {
  /** A link. */
  readonly kind: "http";
  /** `http://` or `https://`. */
  readonly http: string;
  /** Changes nothing. */
  readonly cors_safelisted_mode?: boolean | undefined;
}

/** A file. */
export interface FileStep extends AnyStep {
  /** A file. */
  readonly kind: "file";
  /** Its path, relative to the document, or `file:///…`. */
  readonly file: string;
}

/** The file that a casync index tells the chunks of. */
export interface CasyncStep extends AnyStep {
  /** A file in chunks. */
  readonly kind: "casync";
  /** Link of the index, or as `file`. */
  readonly index: string;
  /** As `index`; found beside that when absent. */
  readonly chunk_store?: string | undefined;
}

/** Bytes behind a compression or a sparse image. */
export interface UnpackStep extends WrapperStep {
  /** What is undone. */
  readonly kind: "xz" | "android_sparseimg";
}

/** An entry of a tar archive. */
export interface TarStep extends WrapperStep {
  /** An entry. */
  readonly kind: "tar";
  /** Its name, without `./` in front. */
  readonly entry: string;
}

/** One step with its fields as the document has them, and the step below it. */
export type Step =
  | HttpStep
  | FileStep
  | CasyncStep
  | UnpackStep
  | TarStep
  | PartitionStep;

/** Steps around a source at most. */
export const MAX_WRAPPERS = 16;

/** Selectors of partitions, of which exactly one must be there. */
export const SELECTORS: Readonly<Record<"gpt" | "mbr", readonly string[]>> = {
  gpt: ["partlabel", "partuuid", "index", "number"],
  mbr: ["partuuid", "index", "number"],
};
