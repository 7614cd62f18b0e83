import * as check from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import { Refusal } from "./refusal.ts";
import { decoyCredential, deriveScram, ScramExchange, type ScramMechanism } from "./scram.ts";
import { loginFor, memoryStore, openAuthority } from "./test-authority.suite.ts";

const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
const digests = { "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512" } as const;

/** What a client says to the server's first message. */
function answerTo(
  reply: Buffer,
  mechanism: ScramMechanism,
  bare: string,
  password: string,
  header = "n,,",
  before = "",
): string {
  const [, nonce, ofSalt, iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(reply.toString())!;
  const digest = digests[mechanism];
  const bytes = createHash(digest).digest().length;
  const salted = pbkdf2Sync(password, Buffer.from(ofSalt!, "base64"), Number(iterations), bytes, digest);
  const clientKey = createHmac(digest, salted).update("Client Key").digest();
  const withoutProof = `c=${Buffer.from(header).toString("base64")},r=${before}${nonce}`;
  const signed = `${bare},${reply.toString()},${withoutProof}`;
  const signature = createHmac(digest, createHash(digest).update(clientKey).digest()).update(signed).digest();
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ signature[at]!)).toString("base64");
  return `${withoutProof},p=${proof}`;
}

test("the exchange is RFC 7677's, to the byte", () => {
  const credential = deriveScram("pencil", salt)["SCRAM-SHA-256"];
  const exchange = new ScramExchange("SCRAM-SHA-256", () => credential, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
  const first = exchange.first(Buffer.from("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  check.equal(first.toString(), `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
  check.equal(exchange.name, "user");
  const final = exchange.final(Buffer.from(`c=biws,r=${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`));
  check.ok(Buffer.isBuffer(final));
  check.equal(final.toString(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

test("both mechanisms take the right password and no other", () => {
  const credentials = deriveScram("secret", salt);
  for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
    for (const password of ["secret", "Secret", ""]) {
      const exchange = new ScramExchange(mechanism, () => credentials[mechanism], "ours");
      const reply = exchange.first(Buffer.from("n,,n=a=2Cb=3D,r=theirs"));
      check.ok(Buffer.isBuffer(reply));
      check.equal(exchange.name, "a,b=");
      const final = exchange.final(Buffer.from(answerTo(reply, mechanism, "n=a=2Cb=3D,r=theirs", password)));
      check.equal(Buffer.isBuffer(final), password === "secret");
    }
  }
});

test("a proof for another nonce or another header is none", () => {
  const credential = deriveScram("secret", salt)["SCRAM-SHA-256"];
  const begin = (): { exchange: ScramExchange; reply: Buffer } => {
    const exchange = new ScramExchange("SCRAM-SHA-256", () => credential, "ours");
    return { exchange, reply: exchange.first(Buffer.from("y,,n=user,r=theirs")) as Buffer };
  };
  const { exchange, reply } = begin();
  const right = answerTo(reply, "SCRAM-SHA-256", "n=user,r=theirs", "secret", "y,,");
  check.ok(Buffer.isBuffer(exchange.final(Buffer.from(right))));
  check.equal(
    begin().exchange.final(Buffer.from(right.replace("theirsours", "theirsothers"))),
    "the nonce is another one",
  );
  const stripped = answerTo(reply, "SCRAM-SHA-256", "n=user,r=theirs", "secret", "n,,");
  check.equal(begin().exchange.final(Buffer.from(stripped)), "the channel binding is another one");
});

test("a nonce that says the client's own part twice is taken, as librdkafka's up to 2.6.0, and less than the whole is not", () => {
  const credential = deriveScram("secret", salt)["SCRAM-SHA-512"];
  const say = (before: string, cut: number): Buffer | string => {
    const exchange = new ScramExchange("SCRAM-SHA-512", () => credential, "ours");
    const reply = exchange.first(Buffer.from("n,,n=user,r=theirs")) as Buffer;
    const final = answerTo(reply, "SCRAM-SHA-512", "n=user,r=theirs", "secret", "n,,", before);
    return exchange.final(Buffer.from(final.replace("r=theirs", `r=${"theirs".slice(cut)}`)));
  };
  check.ok(Buffer.isBuffer(say("theirs", 0)));
  check.equal(say("", 1), "the nonce is another one");
  check.equal(say("", 6), "the nonce is another one");
});

test("messages that are none are refused in words", () => {
  const credential = deriveScram("secret", salt)["SCRAM-SHA-256"];
  const first = (text: string): Buffer | string =>
    new ScramExchange("SCRAM-SHA-256", () => credential, "ours").first(Buffer.from(text));
  for (const text of [
    "",
    "n,,n=,r=x",
    "n,,n=user",
    "p=tls-unique,,n=user,r=x",
    "n,,m=ext,n=user,r=x",
    "n,,n=us=er,r=x",
  ])
    check.equal(first(text), "malformed first message", text);
  check.equal(first("n,,n=user,r=x".padEnd(5000, "x")), "malformed first message");
  check.equal(first("n,a=other,n=user,r=x"), "acting for somebody else is not offered");
  check.ok(Buffer.isBuffer(first("n,a=user,n=user,r=x")));
  check.equal(first("n,,n=user,r=x,tokenauth=true"), "delegation tokens are not offered");
});

test("who is not there has a salt that stays the same, and no password", () => {
  const secret = Buffer.alloc(32, 1);
  const decoy = decoyCredential("SCRAM-SHA-256", secret, "nobody");
  check.deepEqual(decoy, decoyCredential("SCRAM-SHA-256", secret, "nobody"));
  check.notEqual(decoy.salt, decoyCredential("SCRAM-SHA-256", secret, "somebody").salt);
  const store = memoryStore();
  const before = openAuthority(store).scramCredential("SCRAM-SHA-512", "nobody");
  check.equal(before.fault, "invalid credentials");
  check.deepEqual(openAuthority(store).scramCredential("SCRAM-SHA-512", "nobody"), before);
});

test("who set a password has what SCRAM needs, over restarts; who set a hash does not", () => {
  const store = memoryStore();
  const authority = openAuthority(store);
  authority.users.put("ann", { password: "secret", tags: [] });
  authority.users.put("bob", { passwordHash: authority.users.hash("secret"), tags: [] });
  const kept = authority.scramCredential("SCRAM-SHA-256", "ann");
  check.equal(kept.fault, undefined);
  check.deepEqual(openAuthority(store).scramCredential("SCRAM-SHA-256", "ann"), kept);
  check.match(authority.scramCredential("SCRAM-SHA-256", "bob").fault!, /set the password again/);
  const { passwordHash } = authority.users.find("ann")!;
  authority.users.put("ann", { passwordHash, tags: [] });
  check.deepEqual(authority.scramCredential("SCRAM-SHA-256", "ann"), kept, "the hash that it has is the same password");
  authority.users.update("ann", { passwordHash: authority.users.hash("other") });
  check.match(authority.scramCredential("SCRAM-SHA-256", "ann").fault!, /set the password again/);
  authority.users.update("ann", { password: "third" });
  check.equal(authority.scramCredential("SCRAM-SHA-256", "ann").fault, undefined);
});

test("the default user's is derived when it is first asked for, as long as the password is the default", () => {
  const store = memoryStore();
  const authority = openAuthority(store);
  authority.createFirst();
  check.equal((store.get("user", "guest") as { scram?: unknown }).scram, undefined);
  const { credential, fault } = authority.scramCredential("SCRAM-SHA-256", "guest");
  check.equal(fault, undefined);
  check.deepEqual(openAuthority(store).scramCredential("SCRAM-SHA-256", "guest").credential, credential);
  authority.users.update("guest", { passwordHash: authority.users.hash("changed") });
  check.match(authority.scramCredential("SCRAM-SHA-256", "guest").fault!, /set the password again/);
});

test("a login is what the exchange proved", () => {
  const authority = openAuthority();
  authority.users.put("ann", { password: "secret", tags: [] });
  const login = (fault: string | undefined) => authority.login(loginFor({ kind: "scram", name: "ann", fault }));
  check.equal((login(undefined) as { name: string }).name, "ann");
  check.equal((login("invalid credentials") as Refusal).reason, "user 'ann' - invalid credentials");
  check.ok(authority.login(loginFor({ kind: "scram", name: "eve", fault: undefined })) instanceof Refusal);
});
