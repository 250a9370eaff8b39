/**
 * What pool and worker say to each other.
 *
 * @module
 */
import type { ErrorCode, ErrorFacts } from "../errors.ts";
import type { Piece, PieceSpec } from "./pieces.ts";
import * as codecs from "./codecs.ts";

/** Codecs that can run as jobs, with their options. */
export interface JobMap {
  readonly gzip: { readonly level?: number };
  readonly gunzip: { readonly maxSize: number };
  readonly inflateRaw: { readonly maxSize: number };
  readonly inflateZlib: { readonly maxSize: number };
  readonly lz4FrameEncode: { readonly level?: number };
  readonly lz4FrameDecode: { readonly maxSize: number };
  readonly lz4LegacyEncode: { readonly level?: number };
  readonly lz4LegacyDecode: { readonly maxSize: number };
  readonly zstdEncode: { readonly level?: number };
  readonly zstdDecode: codecs.ZstdDecodeOptions;
  readonly bzip2Decode: { readonly maxSize: number };
  readonly xzDecode: codecs.XzDecodeOptions;
  readonly decodeXzBlock: codecs.XzBlockOptions & {
    readonly contentSize?: number;
  };
}

export type JobName = keyof JobMap;

/** One job, as plain data. */
export type Request = {
  readonly [Name in JobName]: {
    readonly name: Name;
    readonly data: Uint8Array;
    readonly options: JobMap[Name];
  };
}[JobName];

/** A job on its way to a worker. */
export type PostedRequest = Request & {
  readonly id: number;
  readonly module: WebAssembly.Module;
};

/** What came of it. */
export type Answer =
  | {
    readonly id: number;
    readonly ok: true;
    readonly bytes: Uint8Array<ArrayBuffer>;
  }
  | {
    readonly id: number;
    readonly ok: false;
    readonly error: DescribedError;
  };

/** An error as plain data. */
export interface DescribedError {
  readonly type: string;
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly facts: ErrorFacts | undefined;
}

/** Input for a decoder in a worker; the first one for a number opens it. */
export interface DecoderRequest {
  readonly id: number;
  readonly decoder: number;
  readonly spec: PieceSpec;
  readonly data: Uint8Array;
  readonly finish: boolean;
  readonly room: number;
  readonly module: WebAssembly.Module;
}

/** Ends a decoder. There is no answer. */
export interface DecoderClosing {
  readonly decoder: number;
  readonly close: true;
}

/** What came of a {@linkcode DecoderRequest}. */
export type DecoderAnswer =
  | { readonly id: number; readonly ok: true; readonly piece: Piece }
  | {
    readonly id: number;
    readonly ok: false;
    readonly error: DescribedError;
  };

/** Runs a job on this thread. */
export async function runJob(
  request: Request,
): Promise<Uint8Array<ArrayBuffer>> {
  const run = codecs[request.name] as (
    data: Uint8Array,
    options: Request["options"],
  ) => Promise<Uint8Array<ArrayBuffer>>;
  return await run(request.data, request.options);
}
