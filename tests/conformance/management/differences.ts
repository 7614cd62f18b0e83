/**
 * Where the API answers otherwise than RabbitMQ 3.10 on purpose, each with its reason. What no longer applies fails the test, so
 * that the list cannot rot.
 */
export interface Difference {
  /** The line of the golden transcript that asks. */
  readonly request: string;
  readonly reason: string;
  readonly rabbitmq: string;
  readonly entrepot: string;
}

export const differences: readonly Difference[] = [
  {
    request: 'PUT /users/bob {"password":"bob","tags":5}',
    reason: "RabbitMQ's handler crashes on a value of this type.",
    rabbitmq: "500",
    entrepot:
      '400 {"error":"bad_request","reason":"tags must be a list of strings, or a string with commas between them"}',
  },
  {
    request: 'PUT /users/bob {"password":5,"tags":""}',
    reason: "RabbitMQ's handler crashes on a value of this type.",
    rabbitmq: "500",
    entrepot: '400 {"error":"bad_request","reason":["not_string","password"]}',
  },
  {
    request: 'PUT /vhosts/green {"tags":5}',
    reason: "RabbitMQ's handler crashes on a value of this type.",
    rabbitmq: "500",
    entrepot:
      '400 {"error":"bad_request","reason":"tags must be a list of strings, or a string with commas between them"}',
  },
  {
    request: "POST /vhosts/none/start/{node} {}",
    reason: "Nothing that does not exist can be asked for anything.",
    rabbitmq: '400 {"error":"bad_request","reason":"Request to node NODE failed with {no_such_vhost,<<\\"none\\">>}"}',
    entrepot: '404 {"error":"Object Not Found","reason":"Not Found"}',
  },
  {
    request: 'PUT /permissions/green/ann {"configure":"(","write":"","read":""}',
    reason: "RabbitMQ prints its texts as lists of characters.",
    rabbitmq: '400 {"error":"bad_request","reason":["invalid_regexp",[40],[[109,105,115,115,105,110,103,32,41],1]]}',
    entrepot:
      '400 {"error":"bad_request","reason":"regular expression \'(\' is invalid: missing closing parenthesis at position 1"}',
  },
  {
    request: 'PUT /permissions/green/ann {"configure":"","write":"","read":5}',
    reason: "RabbitMQ's handler crashes on a value of this type.",
    rabbitmq: "500",
    entrepot: '400 {"error":"bad_request","reason":["not_string","read"]}',
  },
  {
    request: 'POST /queues/%2F/q/get {"count":5,"ackmode":"what","encoding":"auto"}',
    reason: "RabbitMQ's handler crashes on a value of this type.",
    rabbitmq: "500",
    entrepot:
      '400 {"error":"bad_request","reason":"Unsupported ackmode. Please use ack_requeue_true, ack_requeue_false, reject_requeue_true, reject_requeue_false."}',
  },
  {
    request: 'PUT /policies/%2F/p {"pattern":"(","definition":{"max-length":5}}',
    reason: "Another engine for patterns, other words for what is wrong with them.",
    rabbitmq:
      '400 {"error":"bad_request","reason":"Validation failed\\n\\npattern should be regular expression but is invalid: {\\"missing )\\",1}\\n"}',
    entrepot:
      '400 {"error":"bad_request","reason":"Validation failed\\n\\npattern should be regular expression but is invalid: {\\"missing closing parenthesis\\",1}\\n"}',
  },
  {
    request: 'PUT /cluster-name {"name":5}',
    reason: "RabbitMQ's handler crashes on a value of this type.",
    rabbitmq: "500",
    entrepot: '400 {"error":"bad_request","reason":"name must be a string"}',
  },
  {
    request: "GET /queues/%zz/a",
    reason: "A reason costs nothing.",
    rabbitmq: "400",
    entrepot: '400 {"error":"bad_request","reason":"The path is not percent-encoded UTF-8."}',
  },
  {
    request: "GET /auth",
    reason: "RabbitMQ 3.13 and later call it oauth_enabled; who asks finds either.",
    rabbitmq: '200 {"enable_uaa":false,"uaa_client_id":"","uaa_location":""}',
    entrepot: '200 {"enable_uaa":false,"oauth_enabled":false,"uaa_client_id":"","uaa_location":""}',
  },
  {
    request:
      'POST /definitions {"queues":[{"name":"x","vhost":"none","durable":true,"auto_delete":false,"arguments":{}}]}',
    reason: "The words of RabbitMQ's later versions, which say what to do.",
    rabbitmq: '400 {"error":"bad_request","reason":["no_such_vhost","none"]}',
    entrepot:
      '400 {"error":"bad_request","reason":"Please create virtual host \\"none\\" prior to importing definitions."}',
  },
];
