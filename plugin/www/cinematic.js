// A picture by paths of light of what the page shows: the server goes on with it for as long as the page asks.
import { store } from "./store.js";

export class Cinematic {
  // question: gives what the server is asked, and what else must stay as it is
  constructor(trame, question) {
    Object.assign(this, { trame, question });
  }

  // until it is finished, or ended
  async take() {
    const question = this.question();
    this.taken = JSON.stringify(question);
    store.cinematic = { share: 0, samples: -1, url: "" };
    const picture = store.cinematic;
    while (picture.share < 1) {
      const answer = await this.answered([...question[0], picture.samples]);
      const url = answer.data && (await decoded(answer));
      if (store.cinematic !== picture) return url && URL.revokeObjectURL(url);
      if (answer.error) {
        store.error = answer.error;
        return this.end();
      }
      if (url) {
        URL.revokeObjectURL(picture.url);
        Object.assign(picture, { url, samples: answer.samples });
      }
      picture.share = answer.share;
    }
  }

  async answered(question) {
    try {
      return await this.trame.trigger("cinematic", question);
    } catch {
      return { error: "The server failed at this picture; what it says in its terminal tells why." };
    }
  }

  // ends it unless it still is of what the page shows
  changed() {
    if (store.cinematic && JSON.stringify(this.question()) !== this.taken) this.end();
  }

  end() {
    if (store.cinematic) URL.revokeObjectURL(store.cinematic.url);
    store.cinematic = null;
  }
}

async function decoded({ data, media }) {
  const url = URL.createObjectURL(new Blob([data], { type: media }));
  const image = new Image();
  image.src = url;
  await image.decode();
  return url;
}
