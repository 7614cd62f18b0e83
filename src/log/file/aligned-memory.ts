/**
 * Memory that begins where a page of the system's does, as a write past the system's cache wants it.
 *
 * Of its buffers Node does not tell where they begin, and they begin 16 bytes behind a page; WebAssembly's memory begins at one.
 * Each takes 8 GB of addresses (and no more memory than it has), so few large ones are made and kept.
 */

/** Node's, which the types of JavaScript alone do not know. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly?: {
    readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => {
      readonly buffer: ArrayBuffer;
    };
  };
};

const wasmPageBytes = 65_536;
const made = new WeakSet<ArrayBufferLike>();

/** Any memory where there is no WebAssembly (`--jitless`), or where the process may have no more addresses (`ulimit -v`). */
export function allocateAligned(bytes: number): Buffer {
  if (WebAssembly === undefined) return Buffer.allocUnsafeSlow(bytes);
  const pages = Math.ceil(bytes / wasmPageBytes);
  try {
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    made.add(buffer);
    return Buffer.from(buffer, 0, bytes);
  } catch (error) {
    if (error instanceof RangeError) return Buffer.allocUnsafeSlow(bytes);
    throw error;
  }
}

/** Whether buffer[start] lies in memory of allocateAligned()'s, at a multiple of `align` from its beginning. */
export function isAligned(buffer: Buffer, start: number, align: number): boolean {
  return (buffer.byteOffset + start) % align === 0 && made.has(buffer.buffer);
}
