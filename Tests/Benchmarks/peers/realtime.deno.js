// Peer: the broadcast part of Supabase's realtime protocol (join, leave, broadcast, heartbeat; v1 objects, v2 arrays and binary frames) on
// Deno.serve and Deno.upgradeWebSocket. Made to be fast: tokens are verified once and kept, a message is encoded once for each serializer,
// and everybody gets the same string or the same bytes. It does less than Swiftlet: no history, no message ids, no limits, no presence.
// PORT; GUARD=0 leaves out the check for slow readers.
const secret = new TextEncoder().encode("super-secret-jwt-token-with-at-least-32-characters-long");
const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
const enc = new TextEncoder(), dec = new TextDecoder();
const un = (s) => Uint8Array.fromBase64(s, { alphabet: "base64url" });
const tokens = new Map();
async function verify(token) {
  const [h, p, s] = token.split(".");
  if (JSON.parse(dec.decode(un(h))).alg !== "HS256") throw 0;
  if (!await crypto.subtle.verify("HMAC", key, un(s), enc.encode(h + "." + p))) throw 0;
  const { exp, role } = JSON.parse(dec.decode(un(p)));
  if (!role || !(exp > Date.now() / 1000)) throw 0;
  if (tokens.size >= 10000) tokens.delete(tokens.keys().next().value);
  tokens.set(token, exp);
}
const isKnown = (token) => tokens.get(token) > Date.now() / 1000;

// A reader that leaves more than this unread is let go.
const most = Deno.env.get("GUARD") === "0" ? Infinity : 1 << 20;

/** name → { v1: members, v2: members, sent }; a member is { socket, self, ack, at } and knows its place, so that it leaves in one step. */
const topics = new Map();
function add(topic, list, member) {
  member.at = topic[list].push(member) - 1;
}
function remove(name, topic, list, member) {
  const all = topic[list], end = all.pop();
  if (end !== member) all[end.at = member.at] = end;
  if (topic.v1.length === 0 && topic.v2.length === 0) topics.delete(name);
}

function toAll(all, sender, data, isChecked) {
  for (let i = all.length - 1; i >= 0; i--) {
    const member = all[i];
    if (member.client === sender && !member.self) continue;
    const socket = member.client.socket;
    if (isChecked && socket.bufferedAmount > most) member.client.drop();
    else socket.send(data);
  }
}

class Client {
  constructor(socket, isV2) {
    this.socket = socket;
    this.isV2 = isV2;
    this.list = isV2 ? "v2" : "v1";
    this.joined = new Map();
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => {
      try {
        const data = event.data;
        if (typeof data === "string") this.text(JSON.parse(data));
        else if (isV2) this.binary(new Uint8Array(data));
      } catch {
        // What can't be read is left aside, as the original does.
      }
    };
    socket.onclose = socket.onerror = () => this.forget();
  }
  forget() {
    for (const name of [...this.joined.keys()]) this.leave(name);
  }
  drop() {
    this.forget();
    this.socket.close(1013);
  }
  reply(topic, joinRef, ref, status, response) {
    this.push(topic, joinRef, ref, "phx_reply", { status, response });
  }
  push(topic, joinRef, ref, event, payload) {
    this.socket.send(this.isV2 ? JSON.stringify([joinRef, ref, topic, event, payload]) : JSON.stringify({ topic, event, payload, ref }));
  }
  leave(name) {
    const member = this.joined.get(name);
    if (!member) return;
    this.joined.delete(name);
    remove(name, topics.get(name), this.list, member);
  }
  text(message) {
    let joinRef, ref, topic, event, payload;
    if (this.isV2) [joinRef, ref, topic, event, payload] = message;
    else ({ join_ref: joinRef, ref, topic, event, payload } = message);
    switch (event) {
      case "broadcast": {
        const member = this.joined.get(topic);
        if (!member) return this.reply(topic, joinRef, ref, "error", { reason: "unmatched topic" });
        const to = topics.get(topic);
        const isChecked = (to.sent++ & 15) === 0;
        if (to.v1.length) {
          toAll(to.v1, this, JSON.stringify({ topic, event, payload, ref: null }), isChecked);
        }
        if (to.v2.length) toAll(to.v2, this, JSON.stringify([null, null, topic, event, payload]), isChecked);
        if (member.ack) this.reply(topic, joinRef, ref, "ok", {});
        break;
      }
      case "heartbeat":
        return this.reply("phoenix", null, ref, "ok", {});
      case "phx_join":
        return this.join(topic, joinRef, ref, payload);
      case "phx_leave": {
        const member = this.joined.get(topic);
        this.leave(topic);
        this.reply(topic, joinRef, ref, "ok", {});
        if (member) this.push(topic, member.ref, member.ref, "phx_close", {});
        break;
      }
      default:
        this.reply(topic, joinRef, ref, "error", { reason: "unmatched topic" });
    }
  }
  join(name, joinRef, ref, payload) {
    const token = payload?.access_token;
    if (token && !isKnown(token)) {
      return verify(token).then(() => this.join(name, joinRef, ref, payload),
        () => this.reply(name, joinRef, ref, "error", { reason: "JwtSignatureError: Failed to validate JWT signature" }));
    }
    if (!name.startsWith("realtime:")) return this.reply(name, joinRef, ref, "error", { reason: "unmatched topic" });
    if (this.joined.has(name)) this.leave(name);
    const wanted = payload?.config?.broadcast;
    const member = { client: this, self: wanted?.self === true, ack: wanted?.ack === true, ref: joinRef ?? ref, at: 0 };
    let topic = topics.get(name);
    if (!topic) topics.set(name, topic = { v1: [], v2: [], sent: 0 });
    add(topic, this.list, member);
    this.joined.set(name, member);
    this.reply(name, joinRef, ref, "ok", { postgres_changes: [] });
  }
  /** 3 | join_ref, ref, topic, event, meta lengths | encoding | those | payload  →  4 | topic, event, meta lengths | encoding | those | payload */
  binary(bytes) {
    if (bytes[0] !== 3) return;
    const [, joins, refs, names, events, metas, encoding] = bytes;
    let at = 7 + joins + refs;
    const head = at;
    const name = dec.decode(bytes.subarray(at, at += names));
    const event = bytes.subarray(at, at += events);
    const body = bytes.subarray(at += metas);
    const member = this.joined.get(name);
    const ref = dec.decode(bytes.subarray(7 + joins, head));
    const joinRef = dec.decode(bytes.subarray(7, 7 + joins));
    if (!member) return this.reply(name, joinRef, ref, "error", { reason: "unmatched topic" });
    const to = topics.get(name);
    const isChecked = (to.sent++ & 15) === 0;
    if (to.v2.length) {
      const out = new Uint8Array(5 + names + events + body.length);
      out.set([4, names, events, 0, encoding]);
      out.set(bytes.subarray(head, head + names + events), 5);
      out.set(body, 5 + names + events);
      toAll(to.v2, this, out, isChecked);
    }
    if (to.v1.length && encoding === 1) {
      const payload = { type: "broadcast", event: dec.decode(event), payload: JSON.parse(dec.decode(body)) };
      toAll(to.v1, this, JSON.stringify({ topic: name, event: "broadcast", payload, ref: null }), isChecked);
    }
    if (member.ack) this.reply(name, joinRef, ref, "ok", {});
  }
}

Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} }, async (request) => {
  const url = new URL(request.url);
  if (url.pathname !== "/realtime/v1/websocket") return new Response(null, { status: 404 });
  const token = request.headers.get("x-api-key") ?? url.searchParams.get("apikey");
  const vsn = url.searchParams.get("vsn") ?? "1.0.0";
  if (!token) return Response.json({ error: "API key is missing" }, { status: 401 });
  if (!isKnown(token)) {
    try {
      await verify(token);
    } catch {
      return Response.json({ error: "Failed to validate JWT signature" }, { status: 401 });
    }
  }
  if (!vsn.startsWith("1.0.") && !vsn.startsWith("2.0.")) return new Response(null, { status: 403 });
  if (request.headers.get("upgrade") !== "websocket") return new Response(null, { status: 426 });
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 60 });
  new Client(socket, vsn.startsWith("2"));
  return response;
});
