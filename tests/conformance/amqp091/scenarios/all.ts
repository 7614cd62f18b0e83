/** Every family, for its registration. */
import "./basic-consume.ts";
import "./basic-publish.ts";
import "./basic-settle.ts";
import "./channel.ts";
import "./confirm.ts";
import "./connection.ts";
import "./dead-letter.ts";
import "./exchange.ts";
import "./limits.ts";
import "./pipelining.ts";
import "./queue-arguments.ts";
import "./queue.ts";
import "./quorum.ts";
import "./random.ts";
import "./routing.ts";
import "./stream.ts";
import "./tx.ts";
