/**
 * What an operating system asks a device when it was plugged in.
 *
 * @module
 */

import {
  ConfigurationDescriptor,
  DeviceDescriptor,
  DT_CONFIGURATION,
  DT_DEVICE,
  DT_STRING,
  expectDescriptor,
  parseConfiguration,
  type ParsedConfiguration,
  parseLanguage,
  parseString,
} from "../descriptors.ts";
import { isCoded } from "../../errors.ts";
import type { UsbIpConnection } from "./connection.ts";
import {
  type ControlOptions,
  GET_CONFIGURATION,
  GET_DESCRIPTOR,
  standard,
} from "./control.ts";

/** All that a device says of itself. */
export interface Enumerated {
  readonly vendorId: number;
  readonly productId: number;
  readonly manufacturerName: string | null;
  readonly productName: string | null;
  readonly serialNumber: string | null;
  readonly configurations: readonly ParsedConfiguration[];
  /** Value of the configuration that is set; 0 for none. */
  readonly configurationValue: number;
}

/** Linux reads no more of them (`USB_MAXCONFIG`). */
const MAX_CONFIGURATIONS = 8;
/** Names of interfaces that are asked for at most: each costs a round trip. */
const MAX_INTERFACE_NAMES = 16;
/** US English, asked for when the device names no language. */
const DEFAULT_LANGUAGE = 0x0409;
/** The largest string descriptor. */
const STRING_BYTES = 255;

/**
 * Reads the descriptors of a device: two control transfers, two for each configuration, one for
 * each name.
 *
 * @throws {UsbError} `usb.bad-descriptor`, `usb.request-failed`, and that of the connection
 */
export async function enumerate(
  connection: UsbIpConnection,
  options: ControlOptions,
): Promise<Enumerated> {
  const bytes = await descriptor(connection, DT_DEVICE, 0, 18, options);
  expectDescriptor(bytes, 0, DT_DEVICE, DeviceDescriptor);
  const device = DeviceDescriptor.read(bytes);
  const configurations: ParsedConfiguration[] = [];
  const count = Math.min(device.configurationCount, MAX_CONFIGURATIONS);
  for (let index = 0; index < count; index++) {
    try {
      configurations.push(await readConfiguration(connection, index, options));
    } catch (error) {
      // it announces more than it has; Linux goes on without them, too
      if (index > 0 && isCoded(error, "usb.request-failed")) break;
      throw error;
    }
  }
  const strings = new StringReader(connection, options);
  const manufacturerName = await strings.read(device.manufacturer);
  const productName = await strings.read(device.product);
  const serialNumber = await strings.read(device.serialNumber);
  const named: ParsedConfiguration[] = [];
  for (const one of configurations) {
    named.push(await nameInterfaces(one, strings));
  }
  const [configurationValue = 0] = await standard(
    connection,
    "GET_CONFIGURATION",
    { recipient: "device", request: GET_CONFIGURATION, value: 0, index: 0 },
    1,
    options,
  );
  return {
    vendorId: device.vendorId,
    productId: device.productId,
    manufacturerName,
    productName,
    serialNumber,
    configurations: named,
    configurationValue,
  };
}

async function readConfiguration(
  connection: UsbIpConnection,
  index: number,
  options: ControlOptions,
): Promise<ParsedConfiguration> {
  const type = DT_CONFIGURATION;
  // Some devices fail when they are asked for more than there is.
  const { size } = ConfigurationDescriptor;
  const head = await descriptor(connection, type, index, size, options);
  expectDescriptor(head, 0, type, ConfigurationDescriptor);
  const { totalLength } = ConfigurationDescriptor.read(head);
  const whole = Math.max(totalLength, size);
  return parseConfiguration(
    await descriptor(connection, type, index, whole, options),
  );
}

async function nameInterfaces(
  configuration: ParsedConfiguration,
  strings: StringReader,
): Promise<ParsedConfiguration> {
  const interfaces = [];
  for (const one of configuration.interfaces) {
    const alternates = [];
    for (const alternate of one.alternates) {
      const interfaceName = await strings.read(alternate.nameIndex, true);
      alternates.push({ ...alternate, interfaceName });
    }
    interfaces.push({ ...one, alternates });
  }
  return { ...configuration, interfaces };
}

/** Reads each string once. A device that has none of an index has no name. */
class StringReader {
  readonly #connection: UsbIpConnection;
  readonly #options: ControlOptions;
  readonly #known = new Map<number, string | null>();
  #language: number | undefined;
  #extra = MAX_INTERFACE_NAMES;

  constructor(connection: UsbIpConnection, options: ControlOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** @param optional Not read when there are very many. */
  async read(index: number, optional = false): Promise<string | null> {
    if (index === 0) return null;
    const known = this.#known.get(index);
    if (known !== undefined) return known;
    if (optional && this.#extra-- <= 0) return null;
    const text = await this.#ask(index);
    this.#known.set(index, text);
    return text;
  }

  async #ask(index: number): Promise<string | null> {
    try {
      if (this.#language === undefined) {
        const bytes = await this.#descriptor(0, 0);
        this.#language = parseLanguage(bytes) ?? DEFAULT_LANGUAGE;
      }
      return parseString(await this.#descriptor(index, this.#language));
    } catch (error) {
      // Names are not worth a device: Linux goes on without them, too.
      const soft = isCoded(error, "usb.request-failed", "usb.bad-descriptor");
      if (soft) return null;
      throw error;
    }
  }

  #descriptor(index: number, language: number): Promise<Uint8Array> {
    const options = this.#options;
    return descriptor(
      this.#connection,
      DT_STRING,
      index,
      STRING_BYTES,
      options,
      language,
    );
  }
}

function descriptor(
  connection: UsbIpConnection,
  type: number,
  index: number,
  length: number,
  options: ControlOptions,
  language = 0,
): Promise<Uint8Array> {
  return standard(
    connection,
    "GET_DESCRIPTOR",
    {
      recipient: "device",
      request: GET_DESCRIPTOR,
      value: type << 8 | index,
      index: language,
    },
    length,
    options,
  );
}
