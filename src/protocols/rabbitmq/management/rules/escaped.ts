/** Texts that repeat what a user wrote, as RabbitMQ's API gives them back: safe to be put into a page. */

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
