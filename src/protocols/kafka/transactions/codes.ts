/** Codes of errors that clients before some version do not know, and what they are told instead. */
import { errorCode } from "../codec/errors.ts";

/** `knownFrom`: the version of this API from which on a producer is told that it is fenced. */
export function codeBefore(knownFrom: number, version: number, code: number): number {
  return code === errorCode.PRODUCER_FENCED && version < knownFrom ? errorCode.INVALID_PRODUCER_EPOCH : code;
}
