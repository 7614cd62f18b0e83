/** What is said to a peer whose bytes are no frames, no methods, or not the frames that belong here. */

import type { FrameFault } from "./codec-parser.ts";
import type { MethodFault } from "./codec.ts";
import { erlangBinary, Fault } from "../model/errors.ts";
import { basicClassId, frameOverheadBytes, frameTypes } from "./frames.ts";
import type { Expected } from "./publishing.ts";

/** Bytes that are no frame: where the next one begins is not known. */
export function notAFrame(fault: FrameFault, frameMaxBytes: number): Fault {
  const why =
    fault.kind === "frame-too-large"
      ? `{frame_too_large,${fault.size},${frameMaxBytes - frameOverheadBytes}}`
      : `{invalid_frame_end_marker,${fault.endOctet}}`;
  return new Fault("frameError", `type ${fault.type}, ${octets(fault.payload, 0, fault.payload.length)}: ${why}`);
}

/** A frame of a type that there is not, or one that cannot stand on its channel now. */
export function misplacedFrame(type: number, buffer: Buffer, start: number, end: number): Fault {
  const isHeartbeat = type === frameTypes.heartbeat && start === end;
  const isUnknown = type === 0 || (type > frameTypes.body && !isHeartbeat);
  const shown = `type ${type}, ${octets(buffer, start, end)}`;
  return isUnknown ? new Fault("frameError", `${shown}: unknown_frame`) : new Fault("unexpectedFrame", shown);
}

/** A method frame that holds none that we know. */
export function undecodableMethod(fault: MethodFault, buffer: Buffer, start: number, end: number): Fault {
  if (end - start < 4) {
    const shown = `type ${frameTypes.method}, ${octets(buffer, start, end)}`;
    return new Fault("frameError", `${shown}: unknown_frame`);
  }
  return new Fault(fault.kind === "unknown-method" ? "commandInvalid" : "frameError", fault.text);
}

/** A frame that is not the one that a message needs next, or content without a method. */
export function unexpectedContent(expected: Expected): Fault {
  switch (expected) {
    case "method":
      return new Fault("unexpectedFrame", "expected method frame, got non method frame instead");
    case "header": {
      const header = `content header for class ${basicClassId}`;
      return new Fault("unexpectedFrame", `expected ${header}, got non content header frame instead`);
    }
    case "body":
      return new Fault("unexpectedFrame", "expected content body, got non content body frame instead");
  }
}

function octets(buffer: Buffer, start: number, end: number): string {
  if (end - start <= 16) return `all octets = ${erlangBinary(buffer.subarray(start, end))}`;
  return `first 16 octets = ${erlangBinary(buffer.subarray(start, start + 16))}`;
}
