/**
 * fastboop live-boots an unmodified Linux distribution image on a phone and writes nothing to it.
 *
 * Importing this module does nothing but define.
 *
 * @module
 */

export * from "./src/errors.ts";
export type * from "./src/block/reader.ts";
export * from "./src/block/blob.ts";
export * from "./src/block/cache.ts";
export * from "./src/block/coalesce.ts";
export * from "./src/block/memory_store.ts";
export * from "./src/block/merge.ts";
export * from "./src/block/spool.ts";
export type * from "./src/block/store.ts";
export * from "./src/block/with_store.ts";
export * from "./src/block/memory.ts";
export * from "./src/block/read_ahead.ts";
export * from "./src/block/read_exactly.ts";
export * from "./src/block/record.ts";
export * from "./src/block/slice.ts";
export type * from "./src/fs/filesystem.ts";
export * from "./src/fs/open_paths.ts";
export {
  type ErofsFileSystem,
  type ErofsOptions,
  type ErofsSource,
  openErofs,
} from "./src/format/erofs/open.ts";
export type { Superblock as ErofsSuperblock } from "./src/format/erofs/superblock.ts";
export {
  checkDtb,
  describeDtb,
  type DtbFacts,
  type DtbOptions,
} from "./src/format/fdt/describe.ts";
export {
  injectMac,
  type MacInjection,
  type MacKind,
  makeMac,
} from "./src/format/fdt/mac.ts";
export {
  applyOverlays,
  type Overlay,
  type OverlayOptions,
} from "./src/format/fdt/overlay.ts";
export {
  type BootImageParts,
  type BootImageRow,
  buildBootImage,
  type BuiltBootImage,
} from "./src/format/bootimg/build.ts";
export {
  type BootImageLimits,
  type BootImageParams,
  type HeaderVersion,
  maxBootCmdline,
} from "./src/format/bootimg/params.ts";
export {
  type BootImage,
  type BootImageAddresses,
  parseBootImage,
} from "./src/format/bootimg/parse.ts";
export {
  buildVendorBootImage,
  parseVendorBootImage,
  type VendorBootImage,
  type VendorBootParts,
} from "./src/format/bootimg/vendor_boot.ts";
export {
  type CpioMember,
  readCpio,
  type ReadCpioOptions,
} from "./src/format/cpio/read.ts";
export { type CpioCommon, type CpioEntry, packCpio } from "./src/wasm/cpio.ts";
export * from "./src/boot/cmdline.ts";
export * from "./src/boot/initramfs.ts";
export type { Override } from "./src/boot/initramfs_tree.ts";
export * from "./src/boot/settings.ts";
export { checkStage0, type Machine } from "./src/boot/stage0_binary.ts";
export {
  type DeviceTreeFile,
  findDeviceTree,
  readDeviceTree,
} from "./src/boot/device_tree.ts";
export { BUILTIN_PROFILES } from "./src/device/builtin.ts";
export * from "./src/device/match.ts";
export { formatProblem, parseProfile } from "./src/device/parse.ts";
export * from "./src/device/pool.ts";
export type * from "./src/device/profile.ts";
export * from "./src/image/inspect.ts";
export * from "./src/image/digest.ts";
export type {
  Companion,
  FindRootOptions,
  FoundRoot,
} from "./src/image/find_root.ts";
export {
  formatChain,
  type Layer,
  type PassedOver,
} from "./src/image/layers.ts";
export * from "./src/image/open_image.ts";
export { type HttpAccessOptions, withHttpAccess } from "./src/http/access.ts";
export type { Clock } from "./src/http/clock.ts";
export * from "./src/http/links.ts";
export type { HttpStatistics } from "./src/http/meter.ts";
export { HTTP_HEAD_SIZE, type HttpReader, openHttp } from "./src/http/open.ts";
export type { HttpEvent, HttpOptions } from "./src/http/options.ts";
export { type HttpStream, openHttpStream } from "./src/http/stream.ts";
export type { Validators } from "./src/http/validators.ts";
export {
  type OpenedPipeline,
  openPipeline,
  type PipelineWorld,
} from "./src/pipeline/open.ts";
export { looksLikePipeline, parsePipeline } from "./src/pipeline/parse.ts";
export type {
  AnyStep,
  CasyncStep,
  Content,
  FileStep,
  HttpStep,
  PartitionStep,
  Step,
  TarStep,
  UnpackStep,
  WrapperStep,
} from "./src/pipeline/step.ts";
export * from "./src/format/bzip2/open.ts";
export * from "./src/format/casync/open.ts";
export type { ChunkRequest, ChunkStore } from "./src/format/casync/chunks.ts";
export type { HashChunk } from "./src/format/casync/chunk.ts";
export {
  type CasyncIndex,
  type ChunkDigest,
  isCasyncIndex,
} from "./src/format/casync/index.ts";
export * from "./src/format/casync/store_location.ts";
export type {
  CompressedFormat,
  CompressedReader,
  DecodeOptions,
} from "./src/format/compressed/reader.ts";
export {
  type Ext4FileSystem,
  type Ext4Options,
  type Ext4Source,
  openExt4,
  type Superblock as Ext4Superblock,
} from "./src/format/ext4/open.ts";
export type { Extent } from "./src/block/extents.ts";
export type { FatVolume } from "./src/format/fat/boot_sector.ts";
export * from "./src/format/fat/open.ts";
export * from "./src/format/gpt/partition.ts";
export * from "./src/format/gpt/read.ts";
export * from "./src/format/gzip/open.ts";
export * from "./src/format/iso9660/open.ts";
export type { IsoNames } from "./src/format/iso9660/image.ts";
export type { IsoVolume } from "./src/format/iso9660/volume.ts";
export * from "./src/format/lz4/open.ts";
export * from "./src/format/mbr/read.ts";
export * from "./src/format/sparse/open.ts";
export {
  openSquashfs,
  type SquashfsFileSystem,
  type SquashfsOptions,
  type SquashfsSource,
} from "./src/format/squashfs/open.ts";
export type {
  Compression as SquashfsCompression,
  Superblock as SquashfsSuperblock,
} from "./src/format/squashfs/superblock.ts";
export * from "./src/format/tar/open.ts";
export type { TarEntry, TarProblem } from "./src/format/tar/entries.ts";
export type { TarSparse } from "./src/format/tar/sparse.ts";
export * from "./src/format/xz/open.ts";
export type { XzCheck } from "./src/wasm/codecs.ts";
export * from "./src/format/zip/open.ts";
export type {
  ZipEntry,
  ZipMethod,
  ZipProblem,
} from "./src/format/zip/entries.ts";
export * from "./src/format/zstd/open.ts";
export { compareVersions } from "./src/bytes/version.ts";
export {
  identifyKernel,
  type KernelFormat,
  type KernelImageFormat,
  type KernelWrapping,
} from "./src/format/kernel/identify.ts";
export * from "./src/format/kernel/unwrap.ts";
export * from "./src/format/kernel/release.ts";
export {
  encodeKernel,
  KERNEL_ENCODINGS,
  type KernelEncoding as PlainKernelEncoding,
} from "./src/format/kernel/encode.ts";
export { appendDtb } from "./src/format/kernel/dtb.ts";
export * from "./src/image/boot_entry.ts";
export * from "./src/image/find_kernels.ts";
export * from "./src/boot/kernel_files.ts";
export * from "./src/boot/modules.ts";
export * from "./src/boot/read_modules.ts";
export {
  type BootParts,
  type BootPlan,
  type GivenFile,
  planBoot,
  type PlannedDeviceTree,
  type PlannedPhone,
  type PlanOptions,
  type PlanPart,
  planParts,
  type PreparedPlan,
  preparePlan,
} from "./src/boot/plan.ts";
export { type ErrorData, errorData } from "./src/boot/run/error_data.ts";
export * from "./src/boot/run/errors.ts";
export * from "./src/boot/run/events.ts";
export type * from "./src/boot/run/options.ts";
export { runBoot } from "./src/boot/run/run.ts";
export { type Deployment, openDeployment } from "./src/boot/ostree.ts";
export { openSubtree } from "./src/fs/subtree.ts";
export * from "./src/device/probe.ts";
export {
  type CloseOptions,
  type CommandOptions,
  type DownloadOptions,
  type DownloadProgress,
  FastbootClient,
  type FastbootOptions,
} from "./src/fastboot/client.ts";
export type { CommandBytes, FastbootCommand } from "./src/fastboot/command.ts";
export type { FastbootMessage } from "./src/fastboot/conversation.ts";
export * from "./src/fastboot/errors.ts";
export type { ImageData, ImageStream } from "./src/fastboot/image_data.ts";
export * from "./src/fastboot/tcp_transport.ts";
export * from "./src/fastboot/transport.ts";
export * from "./src/fastboot/usb_interface.ts";
export type { UsbOpenOptions } from "./src/fastboot/usb_open.ts";
export * from "./src/fastboot/usb_transport.ts";
export * from "./src/usb/errors.ts";
export type { EndpointKind, FoundInterface } from "./src/usb/find.ts";
export type * from "./src/usb/shape.ts";
export * from "./src/usb/udev.ts";
export type { ByteStream } from "./src/usb/usbip/stream.ts";
export * from "./src/serve/errors.ts";
export * from "./src/serve/export_id.ts";
export type * from "./src/serve/events.ts";
export { type Sleep } from "./src/serve/link.ts";
export {
  type Ident,
  type Opcode,
  OPCODES,
  type Request,
  type Status,
} from "./src/serve/messages.ts";
export {
  DeviceLog,
  type DeviceLogEvent,
  type LogReply,
} from "./src/serve/device_log.ts";
export * from "./src/serve/history.ts";
export * from "./src/serve/statistics.ts";
export { serveExports } from "./src/serve/host.ts";
export * from "./src/serve/serve_forever.ts";
export * from "./src/serve/smoo_source.ts";
export * from "./src/serve/smoo_interface.ts";
export type { ControlSetup, SmooTransport } from "./src/serve/transport.ts";
export * from "./src/serve/usb_transport.ts";
