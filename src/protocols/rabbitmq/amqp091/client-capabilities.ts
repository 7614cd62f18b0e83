/** What a client says that it can do. */
export class ClientCapabilities {
  consumerCancelNotify = false;
  connectionBlocked = false;
  authenticationFailureClose = false;
}
