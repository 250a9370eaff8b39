/**
 * The messages of USB/IP: layouts only. All integers are big-endian but those of the setup packet.
 *
 * @see https://docs.kernel.org/usb/usbip_protocol.html
 * @module
 */

import type { FieldType, Struct } from "../../bytes/struct.ts";
import { bytesOf, struct, u16be, u32be, u8 } from "../../bytes/struct.ts";

/** Port of `usbipd`. */
export const USBIP_PORT = 3240;
/** Protocol version 1.1.1, the only one in use. */
export const USBIP_VERSION = 0x0111;

/** Codes of requests before a device is imported; a reply has the same without the highest bit. */
export const OP_REQ_DEVLIST = 0x8005;
/** Reply to {@linkcode OP_REQ_DEVLIST}. */
export const OP_REP_DEVLIST = 0x0005;
/** Asks for a device; when granted, the connection carries URBs from then on. */
export const OP_REQ_IMPORT = 0x8003;
/** Reply to {@linkcode OP_REQ_IMPORT}. */
export const OP_REP_IMPORT = 0x0003;

/** Commands of the phase in which URBs are carried. */
export const USBIP_CMD_SUBMIT = 1;
/** Takes an URB back. */
export const USBIP_CMD_UNLINK = 2;
/** An URB is done. */
export const USBIP_RET_SUBMIT = 3;
/** Answers {@linkcode USBIP_CMD_UNLINK}. */
export const USBIP_RET_UNLINK = 4;

/** `direction` of an URB: to the device. */
export const USBIP_DIR_OUT = 0;
/** `direction` of an URB: from the device. */
export const USBIP_DIR_IN = 1;

/** `number_of_packets` of an URB that is not isochronous. */
export const NOT_ISOCHRONOUS = 0xffffffff;

/** Bytes of every header of the phase in which URBs are carried. */
export const URB_HEADER_SIZE = 48;

type U32 = FieldType<number>;
type Bytes = FieldType<Uint8Array>;

const basic = {
  command: u32be,
  seqnum: u32be,
  /** busnum << 16 | devnum, as told by the import; 0 from the server. */
  devid: u32be,
  /** 0 from the server. */
  direction: u32be,
  /** Without the bit of the direction; 0 from the server. */
  endpoint: u32be,
};

/** The fields that the four headers share. */
type BasicFields = {
  command: U32;
  seqnum: U32;
  devid: U32;
  direction: U32;
  endpoint: U32;
};

/** CMD_SUBMIT, 48 bytes; the data of an OUT follow. */
export const CmdSubmit: Struct<
  BasicFields & {
    transferFlags: U32;
    transferBufferLength: U32;
    startFrame: U32;
    numberOfPackets: U32;
    interval: U32;
    setup: Bytes;
  }
> = struct("USB/IP CMD_SUBMIT", {
  ...basic,
  transferFlags: u32be,
  transferBufferLength: u32be,
  startFrame: u32be,
  numberOfPackets: u32be,
  interval: u32be,
  setup: bytesOf(8),
});

/** RET_SUBMIT, 48 bytes; `actualLength` bytes of an IN follow, whatever the status. */
export const RetSubmit: Struct<
  BasicFields & {
    status: U32;
    actualLength: U32;
    startFrame: U32;
    numberOfPackets: U32;
    errorCount: U32;
    padding: Bytes;
  }
> = struct("USB/IP RET_SUBMIT", {
  ...basic,
  /** 0 or a negative errno of Linux, as two's complement. */
  status: u32be,
  actualLength: u32be,
  startFrame: u32be,
  numberOfPackets: u32be,
  errorCount: u32be,
  padding: bytesOf(8),
});

/** CMD_UNLINK, 48 bytes. */
export const CmdUnlink: Struct<
  BasicFields & { victim: U32; padding: Bytes }
> = struct("USB/IP CMD_UNLINK", {
  ...basic,
  /** seqnum of the URB to be taken back. */
  victim: u32be,
  padding: bytesOf(24),
});

/** RET_UNLINK, 48 bytes. */
export const RetUnlink: Struct<
  BasicFields & { status: U32; padding: Bytes }
> = struct("USB/IP RET_UNLINK", {
  ...basic,
  /** -ECONNRESET: the victim is cancelled and has no reply; 0: it had been done. */
  status: u32be,
  padding: bytesOf(24),
});

/** Head of requests and replies before the phase of URBs, 8 bytes. */
export const OpHeader: Struct<
  { version: FieldType<number>; code: FieldType<number>; status: U32 }
> = struct("USB/IP operation", {
  version: u16be,
  code: u16be,
  /** 0, or from the server a reason to refuse. */
  status: u32be,
});

/** A device in OP_REP_DEVLIST and OP_REP_IMPORT, 312 bytes. */
export const DeviceRecord: Struct<{
  path: Bytes;
  busid: Bytes;
  busnum: U32;
  devnum: U32;
  speed: U32;
  vendorId: FieldType<number>;
  productId: FieldType<number>;
  deviceVersion: FieldType<number>;
  deviceClass: FieldType<number>;
  deviceSubclass: FieldType<number>;
  deviceProtocol: FieldType<number>;
  configurationValue: FieldType<number>;
  configurationCount: FieldType<number>;
  interfaceCount: FieldType<number>;
}> = struct("USB/IP device", {
  /** In sysfs of the server, ended by NUL. */
  path: bytesOf(256),
  /** `1-1.2`, ended by NUL. */
  busid: bytesOf(32),
  busnum: u32be,
  devnum: u32be,
  /** 1 low, 2 full, 3 high, 5 super, 6 super plus. */
  speed: u32be,
  vendorId: u16be,
  productId: u16be,
  deviceVersion: u16be,
  deviceClass: u8,
  deviceSubclass: u8,
  deviceProtocol: u8,
  configurationValue: u8,
  configurationCount: u8,
  interfaceCount: u8,
});

/** An interface of a device in OP_REP_DEVLIST, 4 bytes. */
export const InterfaceRecord: Struct<{
  interfaceClass: FieldType<number>;
  interfaceSubclass: FieldType<number>;
  interfaceProtocol: FieldType<number>;
  padding: FieldType<number>;
}> = struct("USB/IP interface", {
  interfaceClass: u8,
  interfaceSubclass: u8,
  interfaceProtocol: u8,
  padding: u8,
});
