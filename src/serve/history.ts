import { DeviceLog } from "./device_log.ts";
import { Statistics } from "./statistics.ts";

/** What outlasts a session with a phone: hand it from one to the next. */
export class ServeHistory {
  /** How far the log of the phone has been read. */
  readonly deviceLog: DeviceLog = new DeviceLog();
  /** Counts on. */
  readonly statistics: Statistics = new Statistics();
}
