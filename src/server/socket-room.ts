/**
 * Room for the sockets that others open, one for all listeners of a broker.
 *
 * Each takes one of the descriptors that the system gives the process. Without a bound below their number, whoever can connect
 * could hold all of them, and the journal would find none for its next file, which is the end of the broker.
 */
import type { Socket } from "node:net";

/** Descriptors for the broker itself: journal, segments, what it connects to. Half of all, where there are few. */
const ownFiles = 256;
/** Sockets for those who watch and operate it, whoever holds the others: at most, and as a share. */
const operatorSockets = 64;
const operatorShare = 1 / 4;

export class SocketRoom {
  /** Sockets that may be open at a time. */
  readonly max: number;
  /** Of them, those that clients may have. */
  readonly clientsMax: number;
  #taken = 0;

  /** `openFilesMax`: descriptors that this process may have; 0: it is not known, and there is no bound. */
  constructor(openFilesMax: number) {
    this.max =
      openFilesMax === 0 ? Number.POSITIVE_INFINITY : Math.max(openFilesMax - ownFiles, Math.floor(openFilesMax / 2));
    this.clientsMax = this.max - Math.min(operatorSockets, Math.floor(this.max * operatorShare));
  }

  /** Takes a place until the socket is closed. False: there is none. */
  take(socket: Socket, who: "client" | "operator"): boolean {
    if (this.#taken >= (who === "operator" ? this.max : this.clientsMax)) return false;
    this.#taken++;
    socket.once("close", () => this.#taken--);
    return true;
  }
}
