/**
 * Reading all sockets into one buffer.
 *
 * Node reads each chunk into 64 KB of new memory, which is fine for streams and dear for a broker: at 500 MB a second the
 * collector was busy most of the time, and a message of 16 KB cost 41 µs where it costs 24 µs now. A socket that is
 * *created* with `onread` reads into a buffer of the caller's choice instead; but a server's sockets are created for it. So
 * an accepted socket, which has not begun to read (`pauseOnConnect`), hands its handle over to one created here.
 *
 * The handle is not part of Node's documented interface. Where it is not what is expected (TLS, another Node), the
 * accepted socket is used as it is and its chunks come by "data".
 */

import { Socket } from "node:net";

/** Chunks are this long at most: more makes the turns of the event loop longer without making them fewer. */
const sharedBytes = 131_072;

let shared: Buffer | undefined;

/**
 * Calls `received` for each chunk that `accepted` reads. The chunk's memory is used again as soon as the call returns.
 * Answers the socket to use from now on, which may be another one.
 */
export function readShared(accepted: Socket, received: (chunk: Buffer) => void): Socket {
  const { _handle: handle } = accepted as unknown as { _handle?: { useUserBuffer?: unknown } | null };
  if (accepted.constructor !== Socket || typeof handle?.useUserBuffer !== "function") {
    accepted.on("data", received);
    accepted.resume();
    return accepted;
  }
  const buffer = (shared ??= Buffer.allocUnsafeSlow(sharedBytes));
  (accepted as unknown as { _handle: unknown })._handle = null;
  const socket = new Socket({
    handle,
    onread: {
      buffer,
      callback(bytes: number): boolean {
        received(buffer.subarray(0, bytes));
        return true;
      },
    },
  } as unknown as ConstructorParameters<typeof Socket>[0]);
  // The server counts its sockets by the one that it made.
  socket.once("close", () => accepted.destroy());
  socket.resume();
  return socket;
}
