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
  /** Of its transfers. */
  readonly direction: UsbDirection;
  /** What kind of transfers it does. */
  readonly type: "bulk" | "interrupt" | "isochronous";
  /** wMaxPacketSize in bytes. */
  readonly packetSize: number;
}

/** One of the settings an interface can be in. */
export interface UsbAlternateInterface {
  /** bAlternateSetting. */
  readonly alternateSetting: number;
  /** bInterfaceClass. */
  readonly interfaceClass: number;
  /** bInterfaceSubClass. */
  readonly interfaceSubclass: number;
  /** bInterfaceProtocol. */
  readonly interfaceProtocol: number;
  /** The text of iInterface. */
  readonly interfaceName?: string | null | undefined;
  /** In the order of the descriptors. */
  readonly endpoints: readonly UsbEndpoint[];
}

/** An interface of a configuration. */
export interface UsbInterface {
  /** bInterfaceNumber. */
  readonly interfaceNumber: number;
  /** In the order of the descriptors. */
  readonly alternates: readonly UsbAlternateInterface[];
  /** Claimed by us. */
  readonly claimed: boolean;
}

/** A configuration of a device. */
export interface UsbConfiguration {
  /** bConfigurationValue. */
  readonly configurationValue: number;
  /** In the order of the descriptors. */
  readonly interfaces: readonly UsbInterface[];
}

/** bmRequestType, wValue and the rest of a control transfer, without its direction. */
export interface UsbControlSetup {
  /** Type in bmRequestType. */
  readonly requestType: "standard" | "class" | "vendor";
  /** Recipient in bmRequestType. */
  readonly recipient: "device" | "interface" | "endpoint" | "other";
  /** bRequest. */
  readonly request: number;
  /** wValue. */
  readonly value: number;
  /** wIndex. */
  readonly index: number;
}

/** How a transfer ended that did not fail as a whole. */
export type UsbTransferStatus = "ok" | "stall" | "babble";

/** What came in. */
export interface UsbInTransferResult {
  /** Absent: ok. */
  readonly status?: UsbTransferStatus | undefined;
  /** Fewer bytes than asked for when the device sent a short packet. */
  readonly data?: DataView | null | undefined;
}

/** What went out. */
export interface UsbOutTransferResult {
  /** Absent: ok. */
  readonly status?: UsbTransferStatus | undefined;
  /** Fewer than given when the device took no more. */
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
  /** idVendor. */
  readonly vendorId: number;
  /** idProduct. */
  readonly productId: number;
  /** The text of iSerialNumber. */
  readonly serialNumber?: string | null | undefined;
  /** The text of iProduct. */
  readonly productName?: string | null | undefined;
  /** The text of iManufacturer. */
  readonly manufacturerName?: string | null | undefined;
  /** Opened by us. */
  readonly opened: boolean;
  /** The one that is set. */
  readonly configuration?: UsbConfiguration | null | undefined;
  /** All that the device has. */
  readonly configurations: readonly UsbConfiguration[];

  /** Begins a session with the device. */
  open(): Promise<void>;
  /** Ends the session, all its transfers, and what was claimed. */
  close(): Promise<void>;
  /** SET_CONFIGURATION. */
  selectConfiguration(configurationValue: number): Promise<void>;
  /** Takes an interface for us alone. */
  claimInterface(interfaceNumber: number): Promise<void>;
  /** Gives it back. */
  releaseInterface(interfaceNumber: number): Promise<void>;
  /** SET_INTERFACE. */
  selectAlternateInterface(
    interfaceNumber: number,
    alternateSetting: number,
  ): Promise<void>;
  /** Asks something on endpoint 0; `length` is wLength. */
  controlTransferIn(
    setup: UsbControlSetup,
    length: number,
  ): Promise<UsbInTransferResult>;
  /** Tells something on endpoint 0. */
  controlTransferOut(
    setup: UsbControlSetup,
    data?: Uint8Array<ArrayBuffer>,
  ): Promise<UsbOutTransferResult>;
  /** CLEAR_FEATURE(ENDPOINT_HALT). */
  clearHalt(direction: UsbDirection, endpointNumber: number): Promise<void>;
  /** Takes `length` bytes, or fewer up to a short packet. */
  transferIn(
    endpointNumber: number,
    length: number,
  ): Promise<UsbInTransferResult>;
  /** Sends `data`, with no empty packet behind it. */
  transferOut(
    endpointNumber: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<UsbOutTransferResult>;
}

/** What `connect` and `disconnect` tell. */
export interface UsbConnectionEvent {
  /** What came or went. */
  readonly device: UsbDevice;
}

/** A bus, or many: what is plugged in, and what comes and goes. */
export interface Usb {
  /** Those that we may use. */
  getDevices(): Promise<UsbDevice[]>;
  /** Calls `listener` whenever a device comes or goes. */
  addEventListener(
    type: "connect" | "disconnect",
    listener: (event: UsbConnectionEvent) => void,
  ): void;
  /** Ends that. */
  removeEventListener(
    type: "connect" | "disconnect",
    listener: (event: UsbConnectionEvent) => void,
  ): void;
}
