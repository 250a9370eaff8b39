/**
 * The files of an initramfs before they are packed: what Linux would have after unpacking.
 *
 * @module
 */

import { type ErrorFacts, FormatError } from "../errors.ts";
import type { CpioEntry } from "../wasm/codecs.ts";

/** Links followed in one path before it counts as a loop, as in Linux. */
const MAX_LINKS = 40;

/** An entry and where it comes from. */
export interface TreeEntry {
  readonly entry: CpioEntry;
  /** For people: `stage0`, `settings`, or the name of an archive. */
  readonly source: string;
}

/** Something that is not in the initramfs because something else has its place. */
export interface Override {
  /** Without a leading slash, links among its folders followed. */
  readonly path: string;
  /** Where the entry that counts comes from. */
  readonly by: string;
  /** Where the one that does not would have come from. */
  readonly instead: string;
}

function refuse(
  what: string,
  path: string,
  text: string,
  facts: ErrorFacts = {},
): FormatError {
  return new FormatError(
    `initramfs.${what}`,
    `Cannot put "${path}" into the initramfs: ${text}`,
    { facts: { path, ...facts } },
  );
}

/** Entries by path, links among their folders followed. */
export class InitramfsTree {
  readonly #entries = new Map<string, TreeEntry>();
  readonly #overrides: Override[] = [];

  /** What took whose place, in the order it happened. */
  get overrides(): readonly Override[] {
    return this.#overrides;
  }

  /** True when there is something at `path`. */
  has(path: string): boolean {
    return this.#entries.has(path);
  }

  /**
   * Adds an entry as unpacking an archive over what is there would: the new one counts.
   *
   * @throws {FormatError} `initramfs.not-a-directory`, `initramfs.link-loop`
   */
  overwrite(entry: CpioEntry, source: string): void {
    const path = this.#resolve(entry.path, false);
    const old = this.#entries.get(path);
    if (old !== undefined) {
      if (old.entry.type === "dir" && entry.type !== "dir") {
        const inside = [...this.#entries.keys()]
          .find((other) => other.startsWith(`${path}/`));
        if (inside !== undefined) {
          throw refuse(
            "not-a-directory",
            path,
            `it is no directory in ${source}, but "${inside}" is in one of this name; leave one of them out`,
            { source },
          );
        }
      }
      if (old.entry.type !== "dir" || entry.type !== "dir") {
        this.#override(path, source, old.source);
      }
    }
    this.#put(path, entry, source);
  }

  /**
   * Adds an entry where there is none; what is there counts. A directory is also there when a link
   * leads to one.
   *
   * @throws {FormatError} `initramfs.not-a-directory`, `initramfs.link-loop`
   */
  add(entry: CpioEntry, source: string): void {
    const path = this.#resolve(entry.path, entry.type === "dir");
    const old = this.#entries.get(path);
    if (old === undefined) {
      this.#put(path, entry, source);
      return;
    }
    if (entry.type === "dir" && old.entry.type === "dir") return;
    if (entry.type === "dir") throw this.#notADirectory(path, path);
    this.#override(path, old.source, source);
  }

  /**
   * All entries: directories first, then all else, each by path. So nothing comes before its folder.
   */
  list(): TreeEntry[] {
    const rank = ({ entry }: TreeEntry) => entry.type === "dir" ? 0 : 1;
    return [...this.#entries.values()].sort((a, b) =>
      rank(a) - rank(b) || (a.entry.path < b.entry.path ? -1 : 1)
    );
  }

  #put(path: string, entry: CpioEntry, source: string): void {
    if (path !== ".") this.#addParents(path, source);
    this.#entries.set(path, { entry: { ...entry, path }, source });
  }

  #override(path: string, by: string, instead: string): void {
    this.#overrides.push({ path, by, instead });
  }

  #addParents(path: string, source: string): void {
    const end = path.lastIndexOf("/");
    if (end < 0) return;
    const parent = path.slice(0, end);
    if (this.#entries.has(parent)) return;
    this.#put(parent, { path: parent, type: "dir" }, source);
  }

  #notADirectory(path: string, part: string): FormatError {
    const { entry, source } = this.#entries.get(part)!;
    return refuse(
      "not-a-directory",
      path,
      `"${part}" of ${source} is a ${entry.type}, expected a directory`,
      { part, source },
    );
  }

  /** Follows links among the folders of a path, and at its end when asked to. */
  #resolve(path: string, last: boolean): string {
    if (path === ".") return path;
    let todo = path.split("/");
    let done: string[] = [];
    for (let links = 0; todo.length > 0;) {
      const [name = "", ...rest] = todo;
      todo = rest;
      if (name === "" || name === ".") continue;
      if (name === "..") { // of a link: names of entries have none
        done.pop();
        continue;
      }
      const here = [...done, name].join("/");
      const entry = this.#entries.get(here)?.entry;
      if (entry?.type === "symlink" && (todo.length > 0 || last)) {
        if (++links > MAX_LINKS) {
          throw refuse(
            "link-loop",
            path,
            `more than ${MAX_LINKS} links at "${here}", expected fewer; they lead in a circle`,
          );
        }
        if (entry.target.startsWith("/")) done = [];
        todo = [...entry.target.split("/"), ...todo];
        continue;
      }
      if (entry !== undefined && entry.type !== "dir" && todo.length > 0) {
        throw this.#notADirectory(path, here);
      }
      done.push(name);
    }
    return done.length === 0 ? "." : done.join("/");
  }
}
