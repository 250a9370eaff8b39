/**
 * The part of WebUSB that we use, as shapes: the browser's `navigator.usb`, the package `usb`, our
 * USB/IP client and the fakes of tests all fit.
 *
 * Names and meanings are those of WebUSB. What differs between implementations is written down here.
 *
 * @see https://wicg.github.io/webusb/
 * @module
 */

/** Seen from the host: `in` is from the device. */
export type UsbDirection = "in" | "out";

/** An endpoint of an alternate setting. */
export interface UsbEndpoint {
  /** 1 to 15: the address without the bit of the direction. */
  readonly endpointNumber: number;
  readonly direction: UsbDirection;
  readonly type: "bulk" | "interrupt" | "isochronous";
  /** wMaxPacketSize in bytes. */
  readonly packetSize: number;
}

/** One of the settings an interface can be in. */
export interface UsbAlternateInterface {
  readonly alternateSetting: number;
  readonly interfaceClass: number;
  readonly interfaceSubclass: number;
  readonly interfaceProtocol: number;
  readonly interfaceName?: string | null | undefined;
  readonly endpoints: readonly UsbEndpoint[];
}

/** An interface of a configuration. */
export interface UsbInterface {
  readonly interfaceNumber: number;
  readonly alternates: readonly UsbAlternateInterface[];
  readonly claimed: boolean;
}

/** A configuration of a device. */
export interface UsbConfiguration {
  readonly configurationValue: number;
  readonly interfaces: readonly UsbInterface[];
}

/** bmRequestType, wValue and the rest of a control transfer, without its direction. */
export interface UsbControlSetup {
  readonly requestType: "standard" | "class" | "vendor";
  readonly recipient: "device" | "interface" | "endpoint" | "other";
  readonly request: number;
  readonly value: number;
  readonly index: number;
}

/** How a transfer ended that did not fail as a whole. */
export type UsbTransferStatus = "ok" | "stall" | "babble";

/** What came in. */
export interface UsbInTransferResult {
  readonly status?: UsbTransferStatus | undefined;
  /** Fewer bytes than asked for when the device sent a short packet. */
  readonly data?: DataView | null | undefined;
}

/** What went out. */
export interface UsbOutTransferResult {
  readonly status?: UsbTransferStatus | undefined;
  readonly bytesWritten: number;
}

/**
 * A device. WebUSB cannot cancel a single transfer (WICG/webusb issue 25): `close()` ends all of
 * them. It knows no time-outs either.
 *
 * The package `usb` 3.1 differs: every transfer has a last parameter, a time limit of 1 s by default,
 * so an adapter has to set another one for pipes that may be idle; and `controlTransferOut` fails
 * without data, so always give some, of length 0 if need be. Our USB/IP device takes options of its
 * own as last parameter: do not pass one through this shape.
 */
export interface UsbDevice {
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber?: string | null | undefined;
  readonly productName?: string | null | undefined;
  readonly manufacturerName?: string | null | undefined;
  readonly opened: boolean;
  readonly configuration?: UsbConfiguration | null | undefined;
  readonly configurations: readonly UsbConfiguration[];

  open(): Promise<void>;
  close(): Promise<void>;
  selectConfiguration(configurationValue: number): Promise<void>;
  claimInterface(interfaceNumber: number): Promise<void>;
  releaseInterface(interfaceNumber: number): Promise<void>;
  selectAlternateInterface(
    interfaceNumber: number,
    alternateSetting: number,
  ): Promise<void>;
  controlTransferIn(
    setup: UsbControlSetup,
    length: number,
  ): Promise<UsbInTransferResult>;
  controlTransferOut(
    setup: UsbControlSetup,
    data?: Uint8Array<ArrayBuffer>,
  ): Promise<UsbOutTransferResult>;
  clearHalt(direction: UsbDirection, endpointNumber: number): Promise<void>;
  transferIn(
    endpointNumber: number,
    length: number,
  ): Promise<UsbInTransferResult>;
  transferOut(
    endpointNumber: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<UsbOutTransferResult>;
}

/** What `connect` and `disconnect` tell. */
export interface UsbConnectionEvent {
  readonly device: UsbDevice;
}

/** A bus, or many: what is plugged in, and what comes and goes. */
export interface Usb {
  getDevices(): Promise<UsbDevice[]>;
  addEventListener(
    type: "connect" | "disconnect",
    listener: (event: UsbConnectionEvent) => void,
  ): void;
  removeEventListener(
    type: "connect" | "disconnect",
    listener: (event: UsbConnectionEvent) => void,
  ): void;
}
