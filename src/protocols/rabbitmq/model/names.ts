/** Names of queues and exchanges, as they are taken. */

/** Carriage returns and line feeds in names are taken out, as RabbitMQ does. */
export function cleanName(name: string): string {
  return /[\r\n]/.test(name) ? name.replace(/[\r\n]/g, "") : name;
}
