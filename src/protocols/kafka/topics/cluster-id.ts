/** The broker's identity, 32 hexadecimal digits, as a cluster's: 22 characters of base64, as Kafka's are. */
export function clusterId(brokerId: string): string {
  return Buffer.from(brokerId, "hex").toString("base64url");
}
