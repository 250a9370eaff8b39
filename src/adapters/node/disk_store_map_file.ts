/**
 * The file of a map, open: read anywhere, written at its end.
 *
 * @module
 */

import fs from "node:fs";
import { promisify } from "node:util";
import { systemCode } from "./system_error.ts";

const open = promisify(fs.open);
const close = promisify(fs.close);

/** A file that grows at its end, by several programs at once. Errors are those of the system. */
export class MapFile {
  /** It may be written. */
  readonly writable: boolean;
  readonly #fd: number;

  private constructor(fd: number, writable: boolean) {
    this.#fd = fd;
    this.writable = writable;
  }

  /** Opens a file, for reading alone where writing is not allowed; nothing when there is none. */
  static async open(path: string): Promise<MapFile | undefined> {
    const { O_RDWR, O_APPEND } = fs.constants;
    for (const writable of [true, false]) {
      try {
        const fd = await open(path, writable ? O_RDWR | O_APPEND : "r");
        return new MapFile(fd, writable);
      } catch (error) {
        if (systemCode(error) === "ENOENT") return undefined;
        if (!writable) throw error;
      }
    }
    return undefined;
  }

  /** Bytes of the file. */
  get size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  /** Bytes from `offset`, as many as there are of `size`. */
  read(offset: number, size: number): Uint8Array {
    const bytes = new Uint8Array(
      Math.min(size, Math.max(0, this.size - offset)),
    );
    let done = 0;
    while (done < bytes.length) {
      const left = bytes.length - done;
      const got = fs.readSync(this.#fd, bytes, done, left, offset + done);
      if (got === 0) break;
      done += got;
    }
    return bytes.subarray(0, done);
  }

  /** Adds bytes at the end, in one piece unless the disk is full. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const part = bytes.subarray(done);
      done += await new Promise<number>((resolve, reject) =>
        fs.write(
          this.#fd,
          part,
          0,
          part.length,
          null,
          (error, count) => error ? reject(error) : resolve(count),
        )
      );
    }
  }

  /** States that it was used now: its time of change says so. */
  touch(): void {
    const now = new Date();
    try {
      fs.futimesSync(this.#fd, now, now);
    } catch {
      // only the order of removal suffers
    }
  }

  /** Closes it. */
  async close(): Promise<void> {
    await close(this.#fd);
  }
}
