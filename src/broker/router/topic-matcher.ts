/**
 * Matches routing keys of words between dots against patterns in which `*` stands for one word and `#` for any number
 * of words, none included. An empty word is a word (`a..b` has three), and the empty key has no word at all.
 *
 * Patterns share a trie. A key is run through it as through an automaton: one list of active nodes, replaced at each
 * word by the nodes that the word leads to. A `#` node stays active whatever the word, and is active as soon as its
 * parent is, since it may stand for nothing. The destinations of what is active behind the last word are the answer.
 *
 *      a.*.c , a.# , #.c        (root) ── a ── * ── c ●
 *                                  │      └─── # ●
 *                                  └── # ── c ●
 *
 * Each node is at most once in the list: a tree's node has one parent, so only a `#` node can be reached twice at the
 * same word (from its parent, and from itself), and it carries the number of the step at which it was last entered.
 * So a match touches at most words × nodes, and with 10,000 patterns in practice a few dozen nodes, whatever the number
 * of `#`. The recursive walk with backtracking, which is the usual one, visits the same nodes again for each way to
 * split a key among several `#`: with n of them, that is (words choose n) ways, a stall that one client's binding could
 * cause for all. That is also why no limit is set here on how often `#` may stand in a pattern.
 */

import { assert, must } from "../../base/assert.ts";
import { DestinationSet } from "./destination-set.ts";
import type { Binding, Matcher } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";

class TrieNode<D> {
  readonly parent: TrieNode<D> | undefined;
  /** The word, `*` or `#` that leads here from the parent. */
  readonly word: string;
  readonly isHash: boolean;
  childByWord: Map<string, TrieNode<D>> | undefined;
  star: TrieNode<D> | undefined;
  hash: TrieNode<D> | undefined;
  destinations: DestinationSet<D> | undefined;
  /** The step at which this node, a `#`, last became active. */
  enteredAt = 0;

  constructor(parent: TrieNode<D> | undefined, word: string) {
    this.parent = parent;
    this.word = word;
    this.isHash = parent !== undefined && word === "#";
  }

  child(word: string): TrieNode<D> | undefined {
    if (word === "*") return this.star;
    if (word === "#") return this.hash;
    return this.childByWord?.get(word);
  }

  grow(word: string): TrieNode<D> {
    const child = new TrieNode<D>(this, word);
    if (word === "*") this.star = child;
    else if (word === "#") this.hash = child;
    else (this.childByWord ??= new Map()).set(word, child);
    return child;
  }

  cut(word: string): void {
    if (word === "*") this.star = undefined;
    else if (word === "#") this.hash = undefined;
    else if (this.childByWord !== undefined) {
      this.childByWord.delete(word);
      if (this.childByWord.size === 0) this.childByWord = undefined;
    }
  }

  get isBare(): boolean {
    return (
      this.destinations === undefined &&
      this.star === undefined &&
      this.hash === undefined &&
      this.childByWord === undefined
    );
  }
}

export class TopicMatcher<D> implements Matcher<D> {
  readonly dependsOn = "key";
  size = 0;
  /** Nodes that all matches so far made active: what a match costs, for benchmarks and tests. */
  nodesTouched = 0;
  readonly #root = new TrieNode<D>(undefined, "");
  #step = 0;
  // The two lists of a match, kept so that a match allocates nothing but the words of its key. They have counts of
  // their own because an array whose length is set to 0 gives up its memory, and the next push allocates again.
  #active: TrieNode<D>[] = [];
  #next: TrieNode<D>[] = [];
  #nextCount = 0;

  add(binding: Binding<D>): void {
    let node = this.#root;
    for (const word of wordsOf(binding.key)) node = node.child(word) ?? node.grow(word);
    (node.destinations ??= new DestinationSet()).add(binding.destination);
    this.size++;
  }

  remove(binding: Binding<D>): void {
    let node = this.#root;
    for (const word of wordsOf(binding.key)) node = must(node.child(word), "the binding was added");
    const destinations = must(node.destinations, "the binding was added");
    destinations.remove(binding.destination);
    if (destinations.size === 0) node.destinations = undefined;
    while (node.parent !== undefined && node.isBare) {
      node.parent.cut(node.word);
      node = node.parent;
    }
    this.size--;
    assert(this.size > 0 || this.#root.isBare, "an empty topic matcher holds no nodes");
  }

  match(input: RouteInput, visit: (destination: D) => void): void {
    this.#matchKey(input.routingKey, visit);
    if (input.moreKeys === undefined) return;
    for (const key of input.moreKeys) this.#matchKey(key, visit);
  }

  #matchKey(key: string, visit: (destination: D) => void): void {
    this.#nextCount = 0;
    this.#step++;
    this.#enter(this.#root);
    // Not split: slicing as far as needed is three times as fast, and most keys that match nothing end early.
    for (let start = key === "" ? -1 : 0; start >= 0;) {
      const dot = key.indexOf(".", start);
      this.#read(dot < 0 ? key.slice(start) : key.slice(start, dot));
      if (this.#nextCount === 0) return;
      start = dot < 0 ? -1 : dot + 1;
    }
    const count = this.#advance();
    for (let at = 0; at < count; at++) (this.#active[at] as TrieNode<D>).destinations?.visit(visit);
  }

  /** Enters the nodes to which a word leads from those entered before. */
  #read(word: string): void {
    const count = this.#advance();
    const active = this.#active;
    for (let at = 0; at < count; at++) {
      const node = active[at] as TrieNode<D>;
      if (node.isHash) this.#enter(node);
      const child = node.childByWord?.get(word);
      if (child !== undefined) this.#enter(child);
      if (node.star !== undefined) this.#enter(node.star);
    }
  }

  /** Makes what was entered the active list, of the length answered, and begins the next. */
  #advance(): number {
    const entered = this.#next;
    const count = this.#nextCount;
    this.#next = this.#active;
    this.#active = entered;
    this.#nextCount = 0;
    this.#step++;
    this.nodesTouched += count;
    return count;
  }

  /** With the `#` behind it, and those behind that: by a loop, for a pattern may have any number of them in a row. */
  #enter(entered: TrieNode<D>): void {
    for (let node: TrieNode<D> | undefined = entered; node !== undefined; node = node.hash) {
      if (node.isHash) {
        if (node.enteredAt === this.#step) return;
        node.enteredAt = this.#step;
      }
      this.#next[this.#nextCount++] = node;
    }
  }
}

function wordsOf(key: string): string[] {
  return key === "" ? [] : key.split(".");
}
