/**
 * The way from a file to the root file system inside it, whatever lies around that.
 *
 * @module
 */

import { readExactly } from "../block/read_exactly.ts";
import type {
  BlockReader,
  ClosableReader,
  ReadOptions,
} from "../block/reader.ts";
import { CodedError } from "../errors.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { findInnerImages, looksLikeRoot } from "./inner_images.ts";
import {
  formatChain,
  type Layer,
  named,
  type OpenedFormat,
  type Part,
  type PassedOver,
} from "./layers.ts";
import { pickEntry } from "./pick_entry.ts";
import {
  ambiguous,
  noRoot,
  noSuchRoot,
  tooDeep,
  unknownFormat,
} from "./root_errors.ts";
import { COMPRESSIONS, SNIFF_SIZES, sniffFormat } from "./sniff.ts";

/** Layers inside one another at most. */
export const MAX_LAYERS = 16;

/** Opens what the first bytes showed to be `format`. */
export type FormatOpener = (
  format: string,
  image: BlockReader,
  options: ReadOptions,
) => Promise<OpenedFormat>;

/** What {@linkcode findRoot} is to do. */
export interface FindRootOptions extends ReadOptions {
  /** Names of parts to take where there is a choice: `#2`, a label, a path. All must be found. */
  readonly roots?: readonly string[] | undefined;
  /**
   * Put around the outermost reader whose bytes are not compressed, such as what reads ahead: a decoder
   * knows best what it will want, and what is fetched ahead of it is fetched in vain.
   */
  readonly ahead?: ((reader: BlockReader) => BlockReader) | undefined;
}

/** A root file system and the way to it. */
export interface FoundRoot {
  /** From the outermost format to the file system. */
  readonly chain: readonly Layer[];
  /** The root's files. */
  readonly files: FileSystem;
  /** Exactly the bytes of the file system. */
  readonly reader: BlockReader;
  /** File systems beside and around it, in which kernel and device trees may lie. */
  readonly others: readonly Companion[];
  /** What else was seen and not taken. */
  readonly passed: readonly PassedOver[];
  /** Releases what was opened on the way; the image itself stays open. */
  close(): Promise<void>;
}

/** A file system that is no root, and the way to it. */
export interface Companion {
  /** From the outermost format to the file system. */
  readonly chain: readonly Layer[];
  /** Its files. */
  readonly files: FileSystem;
}

/** A file system that was found. */
interface Candidate extends Companion {
  readonly reader: BlockReader;
  readonly isRoot: boolean;
  /** Names of the choices on the way, each with all that it goes by. */
  readonly choices: readonly Part[];
}

/** What is inside something: file systems, and what could not be opened. */
interface Found {
  readonly candidates: readonly Candidate[];
  readonly passed: readonly PassedOver[];
  /** Errors of those passed over, in their order. */
  readonly errors: readonly CodedError[];
}

/** Where a search has got to. */
interface Place {
  /** Formats that were opened on the way. */
  readonly depth: number;
  readonly chain: readonly Layer[];
  readonly choices: readonly Part[];
}

/**
 * Finds the root file system inside an image: opens layer by layer what wraps it, looks into every
 * partition, and into the files that live media keep their root in.
 *
 * A file system counts as root when it holds an init or an `os-release`. When there is only one file
 * system at all, it is taken whatever it holds.
 *
 * @throws {FormatError} `image.unknown-format`, `image.too-deep`, `image.no-root`,
 * `image.ambiguous-root` and `image.no-such-root` (`facts.choices` lists what there is), and what a
 * format throws when it opens and nothing else is there
 */
export async function findRoot(
  image: BlockReader,
  open: FormatOpener,
  options: FindRootOptions = {},
): Promise<FoundRoot> {
  const search = new Search(open, options);
  try {
    return await search.run(image);
  } catch (error) {
    await search.close();
    throw error;
  }
}

class Search {
  readonly #open: FormatOpener;
  readonly #ahead: ((reader: BlockReader) => BlockReader) | undefined;
  readonly #signal: ReadOptions;
  readonly #roots: readonly string[];
  readonly #matched = new Set<string>();
  /** Labels of all parts that were seen. */
  readonly #seen: string[] = [];
  readonly #opened: ClosableReader[] = [];

  constructor(
    open: FormatOpener,
    { roots = [], signal, ahead }: FindRootOptions,
  ) {
    this.#open = open;
    this.#ahead = ahead;
    this.#signal = { signal };
    this.#roots = roots;
  }

  async run(image: BlockReader): Promise<FoundRoot> {
    const start = { depth: 0, chain: [], choices: [] };
    return this.#choose(image, await this.#explore(image, start));
  }

  /** Releases what was opened, the innermost first. */
  async close(): Promise<void> {
    for (const reader of this.#opened.splice(0).reverse()) await reader.close();
  }

  async #explore(reader: BlockReader, place: Place): Promise<Found> {
    if (place.depth >= MAX_LAYERS) throw tooDeep(reader, MAX_LAYERS);
    const format = await this.#sniff(reader);
    if (place.depth === 0 && !COMPRESSIONS.has(format)) {
      reader = this.#ahead?.(reader) ?? reader;
    }
    const opened = await this.#open(format, reader, this.#signal);
    place = { ...place, depth: place.depth + 1 };
    switch (opened.kind) {
      case "wrapper": {
        const { reader: inner, label } = opened;
        if ("close" in inner) this.#opened.push(inner);
        return await this.#explore(inner, into(place, label, inner.size));
      }
      case "disk": {
        const inside = into(place, opened.label, reader.size);
        return await this.#parts(opened.parts, reader, inside);
      }
      case "archive": {
        const inside = into(place, opened.label, reader.size);
        const chosen = this.#chosenOf(opened.parts);
        const part = chosen ?? pickEntry(opened.parts, reader.name);
        return await this.#part(part, reader, inside);
      }
      case "files":
        return await this.#files(
          opened.files,
          opened.mountable ?? reader,
          place,
        );
    }
  }

  async #sniff(reader: BlockReader): Promise<string> {
    let size = 0;
    for (const most of SNIFF_SIZES) {
      size = Math.min(most, reader.size);
      const start = await readExactly(reader, 0, size, this.#signal);
      const format = sniffFormat(start);
      if (format !== undefined) return format;
      if (size < most) break;
    }
    throw unknownFormat(reader, size);
  }

  /** A file system, and the images that lie in it as files. */
  async #files(
    files: FileSystem,
    reader: BlockReader,
    place: Place,
  ): Promise<Found> {
    const isRoot = await looksLikeRoot(files, this.#signal);
    const here = into(place, files.kind, reader.size);
    const candidate = { ...here, files, reader, isRoot };
    const inner = isRoot ? [] : await findInnerImages(files, this.#signal);
    const found = await this.#parts(inner, reader, here);
    return { ...found, candidates: [candidate, ...found.candidates] };
  }

  /** All parts; what is wrong with one ends nothing, unless it is the one that was asked for. */
  async #parts(
    parts: readonly Part[],
    around: BlockReader,
    place: Place,
  ): Promise<Found> {
    const chosen = this.#chosenOf(parts);
    const all = await Promise.all(parts.map(async (part): Promise<Found> => {
      try {
        return await this.#part(part, around, place);
      } catch (error) {
        if (!(error instanceof CodedError) || part === chosen) throw error;
        const what = formatChain(into(place, part.label, 0).chain);
        const names = [nameOf(part, around), `${around.name}"`];
        const passed = [{ what, reason: reasonOf(error, names) }];
        return { candidates: [], passed, errors: [error] };
      }
    }));
    return {
      candidates: all.flatMap(({ candidates }) => candidates),
      passed: all.flatMap(({ passed }) => passed),
      errors: all.flatMap(({ errors }) => errors),
    };
  }

  async #part(part: Part, around: BlockReader, place: Place): Promise<Found> {
    const content = await part.open(this.#signal);
    if ("close" in content) this.#opened.push(content);
    const inside = into(place, part.label, part.size);
    return await this.#explore(
      named(content, nameOf(part, around)),
      { ...inside, choices: [...inside.choices, part] },
    );
  }

  /** The part that was asked for by name. */
  #chosenOf(parts: readonly Part[]): Part | undefined {
    this.#seen.push(...parts.map(({ label }) => label));
    for (const root of this.#roots) {
      const chosen = parts.filter(({ names }) => names.includes(root));
      if (chosen.length === 0) continue;
      if (chosen.length > 1) {
        throw ambiguous(root, chosen.map(({ label }) => label));
      }
      this.#matched.add(root);
      return chosen[0];
    }
    return undefined;
  }

  #choose(image: BlockReader, found: Found): FoundRoot {
    const missing = this.#roots.find((root) => !this.#matched.has(root));
    if (missing !== undefined) throw noSuchRoot(image, missing, this.#seen);
    const { candidates, errors } = found;
    const meant = candidates.filter(({ choices }) =>
      this.#roots.every((root) =>
        choices.some(({ names }) => names.includes(root))
      )
    );
    const roots = meant.filter(({ isRoot }) => isRoot);
    // what could not be opened may well be the root
    const [wrong] = errors.filter(({ code, facts }) =>
      code !== "image.unknown-format" && facts["format"] !== "Linux swap"
    );
    if (roots.length + this.#roots.length === 0 && wrong) throw wrong;
    // Of what was asked for, or of a lone file system, nothing is demanded.
    const able = roots.length > 0 ? roots : meant;
    if (able.length > 1) {
      if (roots.length === 0) throw noRoot(image, candidates.map(describe));
      throw ambiguous(image.name, roots.map(describe));
    }
    const [root] = able;
    if (root === undefined) {
      throw errors[0] ?? noRoot(image, candidates.map(describe));
    }
    const rest = candidates.filter((candidate) => candidate !== root);
    return {
      chain: root.chain,
      files: root.files,
      reader: root.reader,
      others: rest.filter(({ isRoot }) => !isRoot)
        .map(({ chain, files }) => ({ chain, files })),
      passed: [
        ...rest.filter(({ isRoot }) => isRoot).map(({ chain }) => ({
          what: formatChain(chain),
          reason: "another root was asked for",
        })),
        ...found.passed,
      ],
      close: () => this.close(),
    };
  }
}

function into(place: Place, label: string, size: number): Place {
  return { ...place, chain: [...place.chain, { label, size }] };
}

/** The choice that leads to a root, and what it is. */
function describe({ choices, files }: Candidate): string {
  return `${choices.at(-1)?.label ?? files.name} (${files.kind})`;
}

/** What a part is called in messages. */
function nameOf({ label }: Part, around: BlockReader): string {
  return `${around.name}${/^[#/]/.test(label) ? "" : "/"}${label}`;
}

/**
 * What a message says after its first part, which names a file that is known here. The name may hold
 * what ends that part.
 */
function reasonOf({ message }: CodedError, names: readonly string[]): string {
  const ends = names.map((name) => {
    const start = message.indexOf(`"${name}`);
    return start < 0 ? 0 : start + 1 + name.length;
  });
  const end = message.indexOf(": ", Math.max(...ends));
  return end < 0 ? message : message.slice(end + 2);
}
