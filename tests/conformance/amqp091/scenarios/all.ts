import './exchange.ts';
import './queue-arguments.ts';
import './queue.ts';
import './routing.ts';
