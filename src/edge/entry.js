// The Worker as the platform loads it: what workers-rs built, its objects as classes whose method `ask` other parts of the Worker may call.
// Always holds: nothing is decided here. The platform lets methods be called of classes that extend its own only, and those of workers-rs do
// not: each is kept in one that does.
import { DurableObject } from "cloudflare:workers";
import * as built from "./index.js";

function callable(Built) {
  return class extends DurableObject {
    #built;

    constructor(state, env) {
      super(state, env);
      this.#built = new Built(state, env);
    }

    /** A command to its outcome, both JSON: texts, or responses that carry them if they are large (objects/parcel.rs). */
    ask(command) {
      return this.#built.ask(command);
    }

    alarm() {
      return this.#built.alarm();
    }
  };
}

export default built.default;
export const UserObject = callable(built.UserObject);
export const ProjectObject = callable(built.ProjectObject);
export const DirectoryObject = callable(built.DirectoryObject);
export const AddressObject = callable(built.AddressObject);
