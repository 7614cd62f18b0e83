/** Codes of errors that clients do not know, before some version or in some place, and what they are told instead. */
import { errorCode } from "../codec/errors.ts";

/** `knownFrom`: the version of this API from which on a producer is told that it is fenced. */
export function codeBefore(knownFrom: number, version: number, code: number): number {
  return code === errorCode.PRODUCER_FENCED && version < knownFrom ? errorCode.INVALID_PRODUCER_EPOCH : code;
}

/**
 * Where messages and offsets are written: that its epoch is an old one says to a producer that it may go on in a new one,
 * which PRODUCER_FENCED would not. `abortableFrom`: the version from which on it knows that only the transaction failed.
 */
export function codeOfWrite(abortableFrom: number, version: number, code: number): number {
  if (code === errorCode.TRANSACTION_ABORTABLE && version < abortableFrom) return errorCode.INVALID_TXN_STATE;
  return code === errorCode.PRODUCER_FENCED ? errorCode.INVALID_PRODUCER_EPOCH : code;
}
