// Voxels and light that the server has sent, the most recent ones, in so many bytes at most.

const name = (question) => JSON.stringify(question);

export class Memory {
  // ask: sends a question, [what, ...arguments], to the server and gives its answer
  constructor(ask, most) {
    Object.assign(this, { ask, most, kept: new Map(), pending: new Map(), bytes: 0 });
  }

  // {codes, light} of a wish, {values, field, light}; `light` of a wish is null where none is wanted
  async get(wish) {
    const answers = await Promise.all(questions(wish).map((question) => this.one(question)));
    return together(answers);
  }

  // the same where it is in memory, else null
  at(wish) {
    const found = questions(wish).map((question) => this.kept.get(name(question)));
    return found.every(Boolean) ? together(found) : null;
  }

  one(question) {
    const key = name(question);
    const found = this.kept.get(key);
    if (found) {
      this.kept.delete(key); // behind all others, which go first
      this.kept.set(key, found);
      return found;
    }
    if (!this.pending.has(key)) {
      const answer = this.fetch(key, question).finally(() => this.pending.delete(key));
      this.pending.set(key, answer);
    }
    return this.pending.get(key);
  }

  async fetch(key, question) {
    const { data, error, milliseconds } = await this.ask(...question);
    if (error) throw Object.assign(new Error(error), { told: error });
    const bytes = new Uint8Array(data); // a copy of its own, which 16 bits may lie in
    const found = { array: question[0] === "voxels" ? new Uint16Array(bytes.buffer) : bytes, milliseconds };
    this.kept.set(key, found);
    this.bytes += bytes.length;
    for (const [old, { array }] of this.kept) {
      if (this.bytes <= this.most || old === key) break;
      this.kept.delete(old);
      this.bytes -= array.byteLength;
    }
    return found;
  }
}

function questions({ values, field, light }) {
  return [["voxels", values, field], ...(light ? [["light", values, field, light]] : [])];
}

function together([voxels, light]) {
  const milliseconds = voxels.milliseconds + (light?.milliseconds ?? 0);
  return { codes: voxels.array, light: light?.array ?? null, milliseconds };
}
