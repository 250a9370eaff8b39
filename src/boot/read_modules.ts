/**
 * The bytes of kernel modules.
 *
 * @module
 */

import { readExactly } from "../block/read_exactly.ts";
import type { ReadOptions } from "../block/reader.ts";
import { FormatError, isCoded } from "../errors.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { gunzip, xzDecode, zstdDecode } from "../wasm/codecs.ts";
import type { KernelModule } from "./modules.ts";

const MAX_MODULE_SIZE = 64 << 20;
const AT_ONCE = 16;

/** What {@linkcode readModules} may be told. */
export interface ReadModulesOptions extends ReadOptions {
  /** Leave compressed modules compressed: the kernel must be able to unpack them itself. */
  readonly keepCompressed?: boolean;
  /** Bytes of one module at which it fails; 64 MiB when absent. */
  readonly maxSize?: number;
}

/** A module with its bytes. */
export interface ModuleFile {
  /** Which one. */
  readonly module: KernelModule;
  /** Its file relative to the folder of modules: `kernel/fs/erofs/erofs.ko`. */
  readonly file: string;
  /** The ELF object with its signature, if it has one; or what the image has. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the file in the image. */
  readonly storedSize: number;
}

/**
 * Reads modules and unpacks them (gzip, xz, zstd). Signatures stay. Up to 16 are read at once.
 *
 * @returns The modules in the order given.
 * @throws {FormatError} `module.damaged`, `module.too-large`, and what the file system throws
 */
export async function readModules(
  files: FileSystem,
  modules: readonly KernelModule[],
  options: ReadModulesOptions = {},
): Promise<ModuleFile[]> {
  const read: ModuleFile[] = [];
  let next = 0, failed = false;
  const work = async () => {
    while (next < modules.length && !failed) {
      const i = next++;
      try {
        read[i] = await readModule(files, modules[i]!, options);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, modules.length) }, work),
  );
  return read;
}

async function readModule(
  files: FileSystem,
  module: KernelModule,
  options: ReadModulesOptions,
): Promise<ModuleFile> {
  const { maxSize = MAX_MODULE_SIZE, keepCompressed = false } = options;
  const stored = await files.open(module.path, options);
  if (stored.size > maxSize) throw tooLarge(module, maxSize);
  const packed = await readExactly(stored, 0, stored.size, options);
  options.signal?.throwIfAborted();
  if (keepCompressed) {
    const { file } = module;
    return { module, file, bytes: packed, storedSize: stored.size };
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await unpack(packed, maxSize);
  } catch (error) {
    if (!isCoded(error) || error.code.startsWith("wasm.")) throw error;
    if (error.code.endsWith(".output-limit")) {
      throw tooLarge(module, maxSize, error);
    }
    throw damaged(module, error.message, error);
  }
  if (!begins(bytes, ELF)) {
    throw damaged(module, `found no ELF object, expected one`);
  }
  const file = module.file.replace(/\.(?:gz|xz|zst)$/, "");
  return { module, file, bytes, storedSize: stored.size };
}

const ELF = [0x7f, 0x45, 0x4c, 0x46];
const GZIP = [0x1f, 0x8b];
const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

async function unpack(
  bytes: Uint8Array<ArrayBuffer>,
  maxSize: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (begins(bytes, GZIP)) return await gunzip(bytes, { maxSize });
  if (begins(bytes, XZ)) return await xzDecode(bytes, { maxSize });
  if (begins(bytes, ZSTD)) return await zstdDecode(bytes, { maxSize });
  return bytes;
}

function begins(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function damaged(
  { name, path }: KernelModule,
  what: string,
  cause?: unknown,
): FormatError {
  return new FormatError(
    "module.damaged",
    `Cannot read module "${name}" from "${path}": ${what}`,
    {
      facts: { name, path },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function tooLarge(
  { name, path }: KernelModule,
  maxSize: number,
  cause?: unknown,
): FormatError {
  return new FormatError(
    "module.too-large",
    `Cannot read module "${name}" from "${path}": it holds more than ${maxSize} bytes, expected at most as many`,
    {
      facts: { name, path, maxSize },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
