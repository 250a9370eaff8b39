import type { BlockReader } from "../../block/reader.ts";
import { FormatError, isCoded } from "../../errors.ts";
import { crc32 } from "../../wasm/checksum.ts";
import { StreamKind } from "../../wasm/exports.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import { decodedStream } from "../compressed/part_decoder.ts";
import { zipError } from "./directory.ts";
import type { ZipEntry } from "./entries.ts";

/**
 * The content of a deflated entry from its start, its size and check sum verified at its end.
 *
 * @param offset Byte of the archive at which its data begins.
 */
export function inflated(
  image: BlockReader,
  entry: ZipEntry,
  offset: number,
  pool: CodecPool | undefined,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const { name, size, storedSize } = entry;
  const part = {
    name: `entry ${JSON.stringify(name)}`,
    spec: {
      kind: StreamKind.RAW,
      format: "deflate",
      maxSize: size,
      memoryLimit: 0,
    },
    offset,
    size: storedSize,
    contentSize: size,
  } as const;
  const reader = decodedStream(image, part, pool, signal).getReader();
  let sum = 0;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read().catch((error) => {
        throw asZip(error);
      });
      if (!done) {
        sum = await crc32(value, sum);
        controller.enqueue(value);
        return;
      }
      if (sum !== entry.crc32) throw mismatch(image, entry, sum);
      controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Damage of the data is damage of the archive. */
function asZip(error: unknown): unknown {
  if (!(error instanceof FormatError) || !isCoded(error)) return error;
  if (!error.code.startsWith("deflate.")) return error;
  const { message, facts } = error;
  return new FormatError("zip.damaged", message, { facts, cause: error });
}

function mismatch(
  image: BlockReader,
  entry: ZipEntry,
  sum: number,
): FormatError {
  const [found, expected] = [sum, entry.crc32].map((crc) =>
    crc.toString(16).padStart(8, "0")
  );
  return zipError(
    image,
    "zip.checksum-mismatch",
    `CRC of entry ${
      JSON.stringify(entry.name)
    } is 0x${found}, expected 0x${expected}; the archive is damaged`,
    { entry: entry.name, found: sum, expected: entry.crc32 },
  );
}
