// Ends the flows of addresses that a message bans. The same policy as tests/guests/ban-kill.
import { keys, set } from "ctwarden:conntrack/memory@0.1.0";

// Prefix of the keys in memory. The address follows.
const KEY = "ban/";
// Numeric values of banned IPv4 addresses.
const banned = new Set();

// The numeric value of an IPv4 address, or undefined.
function numeric(text) {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

function deletion(target) {
  return { target, action: { tag: "delete" }, code: "banned", reason: "" };
}

// A filter in which no part is given, with these networks.
function either(networks) {
  return {
    family: undefined,
    protocols: new Uint8Array(),
    zones: new Uint16Array(),
    originalSrc: [],
    originalDst: [],
    replySrc: [],
    replyDst: [],
    either: networks,
    sets: [],
    srcPorts: [],
    dstPorts: [],
    replySrcPorts: [],
    replyDstPorts: [],
    states: new Uint8Array(),
    mark: undefined,
    status: undefined,
    timeout: undefined,
    labels: new Uint8Array(),
  };
}

export const policy = {
  describe() {
    return {
      name: "ban-kill",
      version: "1.0.0",
      summary: "Ends the flows of banned addresses",
      configurationSchema: "",
      wants: { delete: true },
      codes: [{ code: "banned", meaning: "The sender is banned." }],
    };
  },

  configure() {
    for (const key of keys(KEY)) {
      banned.add(numeric(key.slice(KEY.length)));
    }
    return {
      needs: { delete: true },
      reach: { markBits: 0, labelBits: new Uint8Array(), blockSets: [], readSets: [] },
      kinds: { row: true, new: true },
      filters: [],
      sweepEvery: 0,
      tickEvery: 0,
      ownChanges: false,
      counters: [],
      sets: [],
      selects: true,
      codes: [],
    };
  },

  judge(batch) {
    const verdicts = [];
    batch.flows.forEach((flow, index) => {
      const { tag, val } = flow.original.src;
      if (tag === "ipv4" && banned.has(val >>> 0)) {
        verdicts.push(deletion({ tag: "entry", val: index }));
      }
    });
    return verdicts;
  },

  tick() {
    return [];
  },

  message(now, text) {
    const address = text.startsWith("ban ") ? numeric(text.slice(4)) : undefined;
    if (address === undefined) {
      throw "write ban ADDRESS";
    }
    set(KEY + text.slice(4), new Uint8Array(), undefined);
    banned.add(address);
    // The engine passes a number above 2^31 - 1 as 2^31 - 1, so the address is passed as the negative number with the
    // same bits.
    const network = { address: { tag: "ipv4", val: address | 0 }, length: 32 };
    const flows = { tag: "matching", val: { filter: either([network]), limit: 0 } };
    return { text: `${text.slice(4)} is banned`, verdicts: [deletion(flows)] };
  },

  stop() {},
};
